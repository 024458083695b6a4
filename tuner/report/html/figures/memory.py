"""A figure of peak memory: what fitted, what did not, what the model predicts, and the device's limit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tuner.core.trial import TrialRecord
from tuner.report.html.figure import Figure, Panel, Series, thinned
from tuner.report.html.figures.common import label
from tuner.report.model import Model
from tuner.runs.past_run import PastRun
from tuner.search.models.memory import extent_of

MAX_POINTS = 400
"""Largest number of trials of one kind that are drawn."""


def memory(past: PastRun, model: Model | str) -> Figure:
    """Shows peak memory against `micro_batch * num_taus`, with the model's line and the device's limit."""
    out = [record for record in past.records if record.constraint == "memory"]
    fitted = [record for record in past.records if record.constraint != "memory"]
    points = _units(fitted, "ran", "dot", 0), _units(out, "out of memory", "cross", 1)
    series = [one for one in points if one.x]
    capacity = past.facts.start.traits.capacity_gib
    text = "Peak memory grows with the rows at once, micro_batch times num_taus."
    farthest = max((x for one in series for x in one.x if x is not None), default=0.0)
    if not isinstance(model, str) and series and (found := _band(model, 1.3 * farthest)):
        series = [*found, *series]
        at = f"at batch_size {model.centre.batch_size}"
        text += f" The line is the model's, {at}, with two standard deviations."
    notes = [] if capacity else ["The limit of this device is not known to the study, so none is drawn."]
    if max(len(fitted), len(out)) > MAX_POINTS:
        notes.append(f"At most {MAX_POINTS} trials of either kind are drawn; the table below has all.")
    panel = Panel(
        series=tuple(series),
        x_label="rows at once, micro_batch * num_taus",
        y_label="peak_memory_gib (GiB)",
        lines=((float(capacity), f"the device has {capacity:.4g} GiB"),) if capacity else (),
    )
    return Figure(
        key="memory",
        title="Memory frontier",
        text=text,
        panels=(panel,) if series else (),
        height_px=360,
        notes=tuple(notes) if series else (),
        why_none="No trial reported its peak memory.",
    )


def _units(records: Iterable[TrialRecord], name: str, mark: str, color: int) -> Series:
    kept = thinned([record for record in records if record.peak_memory_gib > 0], MAX_POINTS)
    return Series(
        name=name,
        x=tuple(float(r.config.micro_batch * r.config.num_taus) for r in kept),
        y=tuple(r.peak_memory_gib for r in kept),
        labels=tuple(f"{label(record)}\n{record.peak_memory_gib:.3f} GiB" for record in kept),
        mark=mark,
        color=color,
    )


def _band(model: Model, farthest: float) -> list[Series]:
    """Returns the model's line and band up to `farthest` rows at once, beyond which it says little."""
    columns = model.lattice.columns
    rows = np.unique(np.asarray(columns["micro_batch"] * columns["num_taus"], dtype=np.float64))
    rows = rows[rows <= farthest]
    _, batch = extent_of(model.centre)
    found = model.predictions.peak_gib(np.column_stack([rows, np.full(len(rows), batch)]))
    if found is None:
        return []
    gib, sd = found
    x, line = tuple(rows.tolist()), tuple(gib.tolist())
    low, high = tuple((gib - 2 * sd).tolist()), tuple((gib + 2 * sd).tolist())
    labels = tuple(
        f"model: {y:.3f} +- {2 * sd:.3f} GiB at {v:.0f} rows" for v, y in zip(x, line, strict=True)
    )
    return [
        Series(name="model, two standard deviations", x=x, y=high, low=low, kind="band", color=5),
        Series(name="model", x=x, y=line, labels=labels, kind="line", mark="none", color=5),
    ]
