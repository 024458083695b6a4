"""A map of the lattice: the prediction for every point, what was tried, and what constraints exclude."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from tuner.core.config import TrialConfig
from tuner.core.metric import Metric
from tuner.core.parameters import Discrete, ParameterValue
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.html.figure import Figure, Panel, Series
from tuner.report.html.figures.common import marked, marked_rows
from tuner.report.model import Model
from tuner.report.text import TITLES
from tuner.runs.past_run import PastRun

Values = Mapping[str, ParameterValue]

MAX_PANELS = 24
"""A map that shows every point has at most so many panels."""

MAX_CELLS = 16_000
"""A map that shows every point has at most so many cells, excluded ones included."""

MAX_COLUMNS = 6
"""At most so many panels stand side by side."""

STATES = {
    TrialState.COMPLETE: ("measured at full budget", "dot"),
    TrialState.STOPPED: ("stopped early", "hollow"),
    TrialState.INFEASIBLE: ("infeasible: out of memory or diverged", "cross"),
    TrialState.FAILED: ("failed", "triangle"),
    TrialState.RUNNING: ("running", "dot"),
    TrialState.DISCARDED: ("discarded: the run ended under it", "hollow"),
}
"""Name and mark of each state. Where a point was tried more than once, the first state here is shown."""
_COLORS = {TrialState.INFEASIBLE: 1, TrialState.FAILED: 1, TrialState.RUNNING: 4}
TRIED = 9


def lattice_map(past: PastRun, model: Model | str) -> Figure:
    """Shows every point of the lattice.

    Where there are too many, it shows two parameters only, each cell with the best values of the others.
    """
    if isinstance(model, str) or not model.configs:
        why = model if isinstance(model, str) else "The lattice is too large to be drawn as a map."
        return _figure(past, (), 1, (), why)
    across, down, facets, folded = _layout(model)
    values = {p.name: _alive(model, p) for p in (across, down, *facets)}
    best = _best(model, [across.name, down.name, *(p.name for p in facets)])
    tried = _tried(past, values)
    panels = [
        _panel(
            past,
            model,
            (across, down),
            values,
            dict(zip([p.name for p in facets], at, strict=True)),
            best,
            tried,
        )
        for at in product(*(values[p.name] for p in facets))
    ]
    num_columns = min(MAX_COLUMNS, len(values[facets[-1].name])) if facets else 1
    return _figure(past, tuple(panels), num_columns, _notes(model, folded), "")


def _figure(
    past: PastRun, panels: tuple[Panel, ...], num_columns: int, notes: tuple[str, ...], why: str
) -> Figure:
    return Figure(
        key="lattice",
        title="The lattice as a map",
        text="Every cell is a configuration. Its colour is the predicted probability that its "
        f"{past.study.metric.label} meets the "
        "target; marks are what was tried. A cell with a speck only is excluded by a constraint: point at it "
        "to see by which.",
        panels=panels,
        num_columns=num_columns,
        height_px=300 if num_columns > 2 else 420,
        notes=notes,
        why_none=why,
    )


def _layout(model: Model) -> tuple[Discrete, Discrete, tuple[Discrete, ...], tuple[str, ...]]:
    """Decides where each parameter goes.

    Returns:
        The parameter of the columns, that of the rows, the parameters with a panel for each value, and the
        names of those of which only the best value is shown.
    """
    varied = {p.name: p for p in model.varied}
    by_name = {p.name: p for p in model.lattice.discrete}
    across, down = by_name["batch_size"], by_name["micro_batch"]
    facets = tuple(p for name, p in varied.items() if name not in ("batch_size", "micro_batch"))
    num_panels = math.prod(len(_alive(model, p)) for p in facets)
    if num_panels <= MAX_PANELS and num_panels * len(across.values) * len(down.values) <= MAX_CELLS:
        return across, down, tuple(sorted(facets, key=lambda p: len(p.values))), ()
    weight = {
        name: sum(each[name].shapley for each in model.importances.values() if name in each)
        for name in varied
    }
    first, second, *rest = sorted(varied, key=lambda name: -weight[name])
    return varied[first], varied[second], (), tuple(rest)


def _alive(model: Model, parameter: Discrete) -> tuple[ParameterValue, ...]:
    """Returns the parameter's values that occur in some legal point."""
    dead = model.lattice.dead_values().get(parameter.name, [])
    return tuple(v for v in parameter.values if not any(v is d or v == d for d in dead))


def _best(model: Model, names: Sequence[str]) -> dict[tuple[ParameterValue, ...], TrialConfig]:
    """Picks one configuration from all that have the same values of the named parameters.

    It is the fastest of those that meet the target with a probability of at least 0.5; if there are none, the
    one with the highest probability.
    """
    rows = model.rows(model.configs)
    time_s, feasible = model.predictions.time_s[rows], model.predictions.feasible[rows]
    found: dict[tuple[ParameterValue, ...], TrialConfig] = {}
    for k in np.lexsort((time_s, np.where(feasible >= 0.5, 0.0, 1.0 - feasible))):
        config = model.configs[k]
        values = _values(config)
        found.setdefault(tuple(values[name] for name in names), config)
    return found


def _values(config: TrialConfig) -> Values:
    return config.as_dict()


def _tried(
    past: PastRun, values: Mapping[str, Sequence[ParameterValue]]
) -> dict[tuple[ParameterValue, ...], list[TrialRecord]]:
    """Groups the trials by the values of the parameters that the map shows."""
    found: dict[tuple[ParameterValue, ...], list[TrialRecord]] = {}
    for record in past.records:
        theirs = _values(record.config)
        if all(name in theirs for name in values):
            found.setdefault(tuple(theirs[name] for name in values), []).append(record)
    return found


def _panel(
    past: PastRun,
    model: Model,
    axes: tuple[Discrete, Discrete],
    values: Mapping[str, Sequence[ParameterValue]],
    at: Values,
    best: Mapping[tuple[ParameterValue, ...], TrialConfig],
    tried: Mapping[tuple[ParameterValue, ...], list[TrialRecord]],
) -> Panel:
    across, down = (axis.name for axis in axes)
    places = [
        (float(i), float(j), (x, y, *at.values()))
        for i, x in enumerate(values[across])
        for j, y in enumerate(values[down])
    ]
    legal = [(x, y, best[key], tried.get(key, [])) for x, y, key in places if key in best]
    out = [(x, y, key) for x, y, key in places if key not in best]
    rows = model.rows([config for _, _, config, _ in legal])
    cells = Series(
        name="probability to meet the target",
        x=tuple(x for x, *_ in legal),
        y=tuple(y for _, y, *_ in legal),
        z=tuple(model.predictions.feasible[rows].tolist()),
        labels=tuple(
            _said(model, past.study.metric, row, config, records)
            for row, (*_, config, records) in zip(rows.tolist(), legal, strict=True)
        ),
        kind="cells",
    )
    names = (across, down, *at)
    excluded = Series(
        name="excluded by a constraint",
        x=tuple(x for x, _, _ in out),
        y=tuple(y for _, y, _ in out),
        labels=tuple(_why_out(model, dict(zip(names, key, strict=True))) for *_, key in out),
        mark="speck",
        color=6,
    )
    marks = [_marks(state, [(x, y, rs) for x, y, _, rs in legal if rs]) for state in STATES]
    stands_out = _standing_out(past, values, [(x, y, key) for x, y, key in places])
    series = tuple(one for one in (cells, excluded, *marks, *stands_out) if one.x)
    return Panel(
        series=series,
        title=", ".join(f"{name} {at[name]}" for name in reversed([*at])),
        x_label=across,
        y_label=down,
        x_ticks=tuple((float(k), str(v)) for k, v in enumerate(values[across])),
        y_ticks=tuple((float(k), str(v)) for k, v in enumerate(values[down])),
    )


def _said(model: Model, metric: Metric, row: int, config: TrialConfig, records: Sequence[TrialRecord]) -> str:
    predictions, quality = model.predictions, ""
    if predictions.nrmse is not None:
        quality = f", {metric.label} {metric.text(predictions.nrmse[0][row])}"
    lines = [
        str(config),
        f"predicted {predictions.time_s[row]:.3g} s{quality}",
        f"meets the target with probability {predictions.feasible[row]:.2f}",
    ]
    if predictions.fits[row] < 0.995:
        lines.append(f"runs and keeps the limits with probability {predictions.fits[row]:.2f}")
    lines += [f"trial {r.trial_id}: {r.state}{', ' + r.reason if r.reason else ''}" for r in records[:6]]
    return "\n".join([*lines, *([f"and {len(records) - 6} more trials"] if len(records) > 6 else [])])


def _why_out(model: Model, values: Values) -> str:
    text = " ".join(f"{name}={value}" for name, value in values.items())
    if values.keys() >= {p.name for p in model.varied}:
        fixed = {p.name: p.values[0] for p in model.lattice.discrete if p.name not in values}
        return f"{text}\nexcluded: {model.lattice.why_excluded({**fixed, **values})}"
    return f"{text}\nexcluded: no legal configuration has these"


def _marks(state: TrialState, tried: Sequence[tuple[float, float, list[TrialRecord]]]) -> Series:
    """Marks the points where `state` comes first in `STATES` among the states of their trials."""
    order = list(STATES)
    here = [(x, y) for x, y, rs in tried if min((r.state for r in rs), key=order.index) is state]
    name, mark = STATES[state]
    return Series(
        name=name,
        x=tuple(x for x, _ in here),
        y=tuple(y for _, y in here),
        mark=mark,
        color=_COLORS.get(state, TRIED),
    )


def _standing_out(
    past: PastRun,
    values: Mapping[str, Sequence[ParameterValue]],
    places: Sequence[tuple[float, float, tuple[ParameterValue, ...]]],
) -> list[Series]:
    at = {key: (x, y) for x, y, key in places}
    found = []
    for title, row in marked_rows(past).items():
        theirs = _values(row.trial.config)
        key = tuple(theirs.get(name, "") for name in values)
        if key in at:
            found.append(marked(title, *at[key], f"{TITLES[title]}\n{row.trial.config}"))
    return found


def _notes(model: Model, folded: Sequence[str]) -> tuple[str, ...]:
    lattice = model.lattice
    notes = [f"{len(lattice):,} of {lattice.num_raw:,} combinations are legal."]
    notes += [f"`{text}` excludes {num:,}." for text, num in lattice.excluded.items() if num]
    dead = lattice.dead_values()
    notes += [f"No legal point has {n} {', '.join(map(str, vs))}." for n, vs in dead.items()]
    if folded:
        notes.append(
            "The axes are the two parameters that matter most. A cell shows the best of the rest "
            f"({', '.join(folded)}): the fastest that rather meets the target than not, else the "
            f"one that most "
            "probably meets it."
        )
    if lattice.continuous:
        held = ", ".join(p.name for p in lattice.continuous)
        notes.append(f"{held} is held at its value in {model.centre_name}.")
    return (" ".join(notes),)
