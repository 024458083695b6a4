"""What each figure of the report shows, from the records of a run alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from tuner.core.pareto import front
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.html.figure import Figure, Series
from tuner.report.past import PastRun


def figures(past: PastRun) -> tuple[Figure, ...]:
    """All figures, in the order of the page."""
    return (pareto(past), curves(past), memory(past), timeline(past), budget(past))


def _label(record: TrialRecord) -> str:
    return f"{record.trial_id} {record.config} ({record.state})"


def _target(past: PastRun) -> float | None:
    baseline = past.told.conclusion.baseline
    return past.study.target.threshold(baseline.nrmse if baseline else None)


def pareto(past: PastRun) -> Figure:
    """Seconds at full budget and NRMSE of every trial that reported an epoch."""
    conclusion = past.told.conclusion
    full = [record for record in past.records if record.is_full_budget]
    stopped = [record for record in past.records if record.is_censored and record.epoch]
    series = [
        _times("full budget, measured", full, color=6),
        _times("stopped early, projected", stopped, color=6, is_hollow=True),
    ]
    best = front(past.records)
    series.insert(0, replace(_times("front of the runs", best, color=5), kind="line"))
    titles = {"baseline": 1, "guide": 3, "recommended": 2, "nearest_miss": 4}
    for title, row in conclusion.rows.items():
        if row.estimate:
            name = f"{title.replace('_', ' ')}, mean of {len(row.estimate.seeds)} seed(s)"
            x, y = (row.estimate.time_s,), (row.estimate.nrmse,)
            label = (str(row.trial.config),)
            color = titles.get(title, 0)
            series.append(Series(name=name, x=x, y=y, labels=label, is_named=True, color=color))
    return Figure(
        key="pareto",
        title="Time against NRMSE",
        text="Left is faster, down is better. A hollow point was stopped early: its time is projected to the "
        "full budget and its NRMSE is that of its last epoch, so it can never win. Diamonds are means over "
        "seeds; the dashed line is the target.",
        x_label="time_s (s, full budget)",
        y_label="NRMSE",
        series=tuple(one for one in series if one.x),
        target=_target(past),
    )


def _times(name: str, records: list[TrialRecord], *, color: int, is_hollow: bool = False) -> Series:
    return Series(
        name=name,
        x=tuple(record.projected_time_s for record in records),
        y=tuple(record.nrmse for record in records),
        labels=tuple(_label(record) for record in records),
        is_hollow=is_hollow,
        color=color,
    )


def curves(past: PastRun) -> Figure:
    """NRMSE by epoch, one line a state of the trials."""
    states = {TrialState.COMPLETE: 0, TrialState.STOPPED: 1, TrialState.RUNNING: 4}
    series = [
        _curves(str(state), [r for r in past.records if r.state is state and r.epoch], color)
        for state, color in states.items()
    ]
    return Figure(
        key="curves",
        title="How NRMSE fell",
        text="One line a trial; point at one to see which it is and why it ended.",
        x_label="epoch",
        y_label="NRMSE",
        series=tuple(one for one in series if one.x),
        target=_target(past),
    )


def _curves(name: str, records: list[TrialRecord], color: int) -> Series:
    x: list[float | None] = []
    y: list[float | None] = []
    labels: list[str] = []
    for record in records:
        curve = record.nrmse_curve
        x += [*curve, None]
        y += [*curve.values(), None]
        labels += [f"{_label(record)} {record.reason}"] * (len(curve) + 1)
    return Series(name=name, x=tuple(x), y=tuple(y), labels=tuple(labels), kind="line", color=color)


def memory(past: PastRun) -> Figure:
    """Peak memory over `micro_batch * num_taus`, and what did not fit."""

    def units(records: Iterable[TrialRecord], name: str, color: int) -> Series:
        kept = [record for record in records if record.peak_memory_gib > 0]
        return Series(
            name=name,
            x=tuple(r.config.micro_batch * r.config.num_taus for r in kept),
            y=tuple(r.peak_memory_gib for r in kept),
            labels=tuple(_label(record) for record in kept),
            color=color,
        )

    out = [record for record in past.records if record.constraint == "memory"]
    series = units([r for r in past.records if r not in out], "fitted", 0), units(out, "out of memory", 1)
    return Figure(
        key="memory",
        title="Memory frontier",
        text="Peak memory grows with the rows at once, micro_batch times num_taus.",
        x_label="micro_batch * num_taus (rows)",
        y_label="peak_memory_gib (GiB)",
        series=tuple(one for one in series if one.x),
    )


def timeline(past: PastRun) -> Figure:
    """When each worker was busy with what."""
    series = []
    for color, purpose in enumerate(sorted({span.purpose for span in past.spans})):
        spans = [span for span in past.spans if span.purpose == purpose]
        ends = [past.elapsed_s if span.end_s is None else span.end_s for span in spans]
        x = [v for s, end in zip(spans, ends, strict=True) for v in (s.start_s, end, None)]
        y = [v for s in spans for v in (float(s.worker), float(s.worker), None)]
        labels = tuple(f"{s.trial_id} {purpose}" for s in spans for _ in range(3))
        series.append(
            Series(name=purpose, x=tuple(x), y=tuple(y), labels=labels, kind="line", color=color % 7)
        )
    return Figure(
        key="timeline",
        title="What the workers did when",
        text="One row a worker; gaps are waiting.",
        x_label="since the study began (s)",
        y_label="worker",
        series=tuple(series),
        num_rows=1 + max((span.worker for span in past.spans), default=0),
    )


def budget(past: PastRun) -> Figure:
    """Worker-seconds by purpose."""
    spent: dict[str, float] = defaultdict(float)
    for span in past.spans:
        spent[span.purpose] += (past.elapsed_s if span.end_s is None else span.end_s) - span.start_s
    bars = Series(name="spent", x=tuple(spent), y=tuple(spent.values()), kind="bars")
    return Figure(
        key="budget",
        title="What the time was spent on",
        text="Seconds that workers were occupied, by why the trial was asked for.",
        x_label="purpose",
        y_label="worker-seconds (s)",
        series=(bars,) if spent else (),
    )
