"""Whether a stage works at all, and reports what its study needs: if not, every further trial is a waste.

Knows how trials ended, not why a stage fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuner.core.goal import Goal
from tuner.core.recommend import reference
from tuner.core.trial import Purpose, TrialRecord, TrialState

MAX_FAILURES = 3
"""Trials that may fail before any has reported: more means a broken stage, not a bad configuration."""


def why_unreported(goal: Goal, records: Iterable[TrialRecord]) -> str:
    """Names a figure that the study needs and no report holds, with its fix; empty if there is none."""
    lacking = goal.unreported(records)
    if lacking is None:
        return ""
    noun = "energy" if lacking.metric == "energy_j" else lacking.metric
    if lacking.limit is None:
        what, fix = f"objective {goal.objective}", "objective: time_s"
    else:
        what, fix = f"the limit {lacking.limit.text!r}", "drop it from limits"
    return f"{what}: the device reports no {noun}. Fix: {fix}"


def why_broken(records: Sequence[TrialRecord]) -> str:
    """Returns why the stage must be mended first; empty while it seems to work.

    Without the baseline there is nothing to compare with, so a baseline that fails is enough. So is any trial
    that fails for a cause which all others share, as long as none has reported.
    """
    failures = [record for record in records if record.state is TrialState.FAILED]
    if not failures:
        return ""
    baseline = reference(records, Purpose.BASELINE)
    if baseline is not None and baseline.state is TrialState.FAILED:
        return f"the baseline failed: {baseline.reason}"
    if any(record.measurements for record in records):
        return ""
    since = baseline.trial_id if baseline is not None else ""
    if general := [record for record in records if record.is_general and record.trial_id > since]:
        return f"trial {general[0].trial_id} failed, as every other one would: {general[0].reason}"
    if len(failures) < MAX_FAILURES:
        return ""
    return f"the first {len(failures)} trials failed without a report: {failures[-1].reason}"
