"""What several figures share: how a trial is named, where the target lies, which rows are marked."""

from __future__ import annotations

from tuner.core.conclusion import Row
from tuner.core.trial import TrialRecord
from tuner.report.html.figure import Series
from tuner.report.past import PastRun
from tuner.report.text import TITLES

MARKED = {
    "baseline": ("square", 1),
    "guide": ("named", 3),
    "nearest_miss": ("named", 4),
    "recommended": ("star", 2),
}
"""Mark and colour of the rows that stand out, the same in every figure."""


def label(record: TrialRecord) -> str:
    """A trial, its configuration and how it ended, in three lines."""
    reason = f": {record.reason}" if record.reason else ""
    return f"trial {record.trial_id}, {record.purpose}\n{record.config}\n{record.state}{reason}"


def target_of(past: PastRun) -> float | None:
    """The NRMSE to be met; None while a relative one is not known."""
    baseline = past.result.conclusion.baseline
    return past.study.target.threshold(baseline.nrmse if baseline else None)


def target_line(past: PastRun) -> tuple[tuple[float, str], ...]:
    """The target as a line of a panel."""
    target = target_of(past)
    return () if target is None else ((target, f"target {past.study.target.text}"),)


def marked_rows(past: PastRun) -> dict[str, Row]:
    """Baseline, guide, nearest miss and recommended, as far as there are, the most important last."""
    rows = past.result.conclusion.rows
    return {title: rows[title] for title in MARKED if title in rows}


def marked(title: str, x: float, y: float, text: str, name: str = "") -> Series:
    """The mark of such a row at a place."""
    mark, color = MARKED[title]
    return Series(name=name or TITLES[title], x=(x,), y=(y,), labels=(text,), mark=mark, color=color)
