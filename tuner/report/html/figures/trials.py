"""Figures of the trials: time against quality as points, and quality by epoch as curves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from tuner.core.metric import Metric
from tuner.core.pareto import front
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.html.figure import Figure, Panel, Series, thinned
from tuner.report.html.figures.common import label, marked, marked_rows, target_line
from tuner.report.text import TITLES, newest, quality
from tuner.runs.past_run import PastRun

MAX_POINTS = 800
"""At most so many points of one kind are drawn; the table has all."""

MAX_CURVES = 120
"""At most so many curves of one kind are drawn; the table has all trials."""

MAX_DOTTED = 60
"""Above this number of curves, all kinds together, the lines are drawn without their points."""


def pareto(past: PastRun) -> Figure:
    """Shows time at full budget against quality for every trial that reported an epoch."""
    metric = past.study.metric
    full = [record for record in past.records if record.is_full_budget]
    stopped = [record for record in past.records if record.is_censored and record.epoch]
    shown = [thinned(records, MAX_POINTS) for records in (full, stopped)]
    best = sorted(front(past.records), key=lambda record: record.projected_time_s)
    series = [
        _times("front of the full runs", best, metric, kind="line", mark="none", color=5),
        _times("full budget, measured", shown[0], metric, color=6),
        _times("stopped early, projected", shown[1], metric, color=6, mark="hollow"),
    ]
    for title, row in marked_rows(past).items():
        if row.estimate:
            name = f"{TITLES[title]}, mean of {len(row.estimate.seeds)} seed(s)"
            text = f"{name}\n{row.trial.config}\n{row.estimate.time_s:.2f} s, {quality(row.estimate, metric)}"
            y = metric.value(row.estimate.nrmse)
            series.append(marked(title, row.estimate.time_s, y, text, name))
    panel = Panel(
        series=tuple(one for one in series if one.x),
        x_label="training time at full budget, time_s (s)",
        y_label=metric.label,
        lines=target_line(past),
    )
    return Figure(
        key="pareto",
        title=f"Time against {metric.label}",
        text=f"Left is faster, {'up' if metric.is_maximized else 'down'} is better; what lies "
        f"{'above' if metric.is_maximized else 'under'} the dashed line meets the target. A "
        "hollow point "
        f"was stopped early: its time is projected to the full budget and its {metric.label} is that of its "
        "last epoch, "
        "so it can never win.",
        panels=(panel,) if panel.series else (),
        height_px=440,
        notes=_left_out("points", len(full) + len(stopped), sum(map(len, shown))),
        why_none="No trial has finished an epoch yet.",
    )


def _left_out(what: str, num: int, num_shown: int) -> tuple[str, ...]:
    """Returns a sentence on how many are drawn, if not all of them are."""
    if num_shown >= num:
        return ()
    return (f"{num_shown:,} of {num:,} {what} are drawn, evenly chosen by trial; the table below has all.",)


def _times(
    name: str,
    records: Sequence[TrialRecord],
    metric: Metric,
    *,
    color: int,
    mark: str = "dot",
    kind: str = "points",
) -> Series:
    return Series(
        name=name,
        x=tuple(record.projected_time_s for record in records),
        y=tuple(metric.newest(record) for record in records),
        labels=tuple(f"{label(r)}\n{r.projected_time_s:.2f} s, {newest(r, metric)}" for r in records),
        mark=mark,
        kind=kind,
        color=color,
    )


def curves(past: PastRun) -> Figure:
    """Shows quality by epoch for every trial, and tells which trials were stopped, and why."""
    metric = past.study.metric
    of_state = {
        state: [r for r in past.records if r.state is state and r.epoch]
        for state in (TrialState.COMPLETE, TrialState.RUNNING, TrialState.STOPPED)
    }
    shown = {state: thinned(records, MAX_CURVES) for state, records in of_state.items()}
    stopped = shown[TrialState.STOPPED]
    winner = past.result.conclusion.rows.get("recommended")
    mine = [r for r in shown[TrialState.COMPLETE] if winner and r.config == winner.trial.config]
    rest = [r for r in shown[TrialState.COMPLETE] if r not in mine]
    series = [
        _curves("full budget", rest, metric, color=6),
        _curves("running", shown[TrialState.RUNNING], metric, color=4),
        _curves("stopped early", stopped, metric, color=1, is_dashed=True),
        _curves("recommended, each seed", mine, metric, color=2),
        Series(
            name="where it was stopped",
            x=tuple(float(r.epoch) for r in stopped),
            y=tuple(metric.newest(r) for r in stopped),
            labels=tuple(map(label, stopped)),
            mark="cross",
            color=1,
        ),
    ]
    panel = Panel(
        series=tuple(one for one in series if one.x),
        x_label="epoch",
        y_label=metric.label,
        lines=target_line(past),
    )
    if sum(map(len, shown.values())) > MAX_DOTTED:
        panel = replace(
            panel, series=tuple(replace(s, mark="none") if s.kind == "line" else s for s in panel.series)
        )
    num, num_shown = (sum(map(len, kept.values())) for kept in (of_state, shown))
    return Figure(
        key="curves",
        title=f"How {metric.label} {'rose' if metric.is_maximized else 'fell'}, and what was stopped",
        text="One line a trial. A dotted line was stopped early, where its cross stands: it could "
        "no longer win, "
        "and the time was spent on others.",
        panels=(panel,) if panel.series else (),
        notes=(*_left_out("curves", num, num_shown), *_reasons(of_state[TrialState.STOPPED])),
        why_none="No trial has finished an epoch yet.",
    )


def _reasons(stopped: Sequence[TrialRecord]) -> tuple[str, ...]:
    """Says why trials were stopped: one sentence for each kind of reason, with an example."""
    if not stopped:
        return ("No trial was stopped early.",)
    kinds: dict[str, list[TrialRecord]] = defaultdict(list)
    for record in stopped:
        kinds[re.sub(r"\d[\d.,]*(st|nd|rd|th)?", "#", record.reason)].append(record)
    ordered = sorted(kinds.values(), key=len, reverse=True)
    said = [
        f"{len(records):,} stopped, such as trial {records[0].trial_id} after epoch {records[0].epoch}: "
        f"{records[0].reason or 'no reason was given'}"
        for records in ordered[:6]
    ]
    more = len(stopped) - sum(map(len, ordered[:6]))
    return (*said, *([f"{more:,} more for other reasons; see the table."] if more else []))


def _curves(
    name: str, records: Sequence[TrialRecord], metric: Metric, *, color: int, is_dashed: bool = False
) -> Series:
    x: list[float | None] = []
    y: list[float | None] = []
    labels: list[str] = []
    for record in records:
        curve = metric.curve(record)
        x += [*map(float, curve), None]
        y += [*curve.values(), None]
        text = f"trial {record.trial_id}\n{record.config}"
        labels += [f"{text}\nepoch {epoch}: {metric.value_text(value)}" for epoch, value in curve.items()] + [
            ""
        ]
    return Series(
        name=name,
        x=tuple(x),
        y=tuple(y),
        labels=tuple(labels),
        kind="line",
        color=color,
        is_dashed=is_dashed,
    )
