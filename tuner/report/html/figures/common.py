"""Labels, marks and lines that several figures share."""

from __future__ import annotations

from tuner.certificate.conclusion import Row
from tuner.core.trial import TrialRecord
from tuner.report.html.figure import Series
from tuner.report.text import TITLES
from tuner.runs.past_run import PastRun

MARKED = {
    "baseline": ("square", 1),
    "guide": ("named", 3),
    "nearest_miss": ("named", 4),
    "recommended": ("star", 2),
}
"""Mark and colour of the compared configurations, the same in every figure; the most important comes last."""


def label(record: TrialRecord) -> str:
    """Describes a trial in three lines: its number and purpose, its configuration, and how it ended."""
    reason = f": {record.reason}" if record.reason else ""
    return f"trial {record.trial_id}, {record.purpose}\n{record.config}\n{record.state}{reason}"


def target_of(past: PastRun) -> float | None:
    """Returns the NRMSE to be met, on the models' scale; None while it is relative to an unknown baseline."""
    baseline = past.result.conclusion.baseline
    return past.study.target.threshold(baseline.nrmse if baseline else None)


def target_line(past: PastRun) -> tuple[tuple[float, str], ...]:
    """Returns the target as a horizontal line of a panel; no line while the target is unknown."""
    target = target_of(past)
    return () if target is None else ((past.study.metric.value(target), f"target {past.study.target.text}"),)


def marked_rows(past: PastRun) -> dict[str, Row]:
    """Returns the compared configurations that this run has, in the order of `MARKED`."""
    rows = past.result.conclusion.rows
    return {title: rows[title] for title in MARKED if title in rows}


def marked(title: str, x: float, y: float, text: str, name: str = "") -> Series:
    """Returns a series of one point: the mark of a compared configuration.

    Args:
        title: A key of `MARKED`.
        x: Horizontal coordinate.
        y: Vertical coordinate.
        text: Shown when the reader points at the mark.
        name: Name in the legend; empty for the usual name of the configuration.
    """
    mark, color = MARKED[title]
    return Series(name=name or TITLES[title], x=(x,), y=(y,), labels=(text,), mark=mark, color=color)
