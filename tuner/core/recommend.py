"""The answer of a study, from its records alone: which configuration to run.

Only a configuration measured at its full budget, in one go, within the target and every limit, and better
than the baseline in the study's objective may be recommended. Stopped trials, projections and resumed trials
never enter. Runs of one configuration with several seeds are judged together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate, estimates
from tuner.core.goal import Goal
from tuner.core.objectives import Target
from tuner.core.trial import Purpose, TrialRecord, TrialState

Certified = Mapping[TrialConfig, float]
"""What may be recommended, with the probability that its mean NRMSE meets the target."""

Known = Mapping[TrialConfig, Estimate]
"""See `estimates`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A configuration to run instead of the baseline.

    Attributes:
        estimate: What was measured of it.
        value: Of the study's objective.
        speedup: The baseline's objective over its own; None when the baseline cannot run here at all.
        margin_pct: How far its mean NRMSE lies under the target, percent of the target.
        reason: Why this one, in words.
        probability: That its mean NRMSE over all seeds meets the target; None when nobody said.
    """

    estimate: Estimate
    value: float
    speedup: float | None
    margin_pct: float
    reason: str
    probability: float | None = None


def reference(records: Iterable[TrialRecord], purpose: Purpose) -> TrialRecord | None:
    """The newest trial asked for `purpose`: a lost baseline that was asked again counts once."""
    return max(
        (record for record in records if record.purpose is purpose),
        key=lambda record: record.trial_id,
        default=None,
    )


def baseline_estimate(records: Sequence[TrialRecord], known: Known | None = None) -> Estimate | None:
    """What was measured of the baseline; None until it has run to its full budget."""
    baseline = reference(records, Purpose.BASELINE)
    if baseline is None:
        return None
    return (estimates(records) if known is None else known).get(baseline.config)


def threshold(records: Sequence[TrialRecord], target: Target, known: Known | None = None) -> float | None:
    """The target as an NRMSE; None while it is relative to a baseline that has not been measured."""
    baseline = baseline_estimate(records, known)
    return target.threshold(baseline.nrmse if baseline else None)


def incumbent(
    records: Sequence[TrialRecord],
    goal: Goal,
    certified: Certified | None = None,
    known: Known | None = None,
) -> Estimate | None:
    """The best configuration whose mean NRMSE meets the target and which keeps the limits; None without one.

    Args:
        records: Of every trial.
        goal: What is wanted.
        certified: The only ones that may be relied on; None admits all.
        known: The estimates of the records, where the caller has them.
    """
    known = estimates(records) if known is None else known
    baseline = baseline_estimate(records, known)
    yardstick = baseline.nrmse if baseline else None
    found = [
        (value, e.nrmse, k, e)
        for k, e in enumerate(known.values())
        if goal.target.is_met(e.nrmse, yardstick)
        and (certified is None or e.config in certified)
        and not goal.breaches(e, baseline)
        and (value := goal.value(e, baseline)) is not None
    ]
    return min(found)[-1] if found else None


def recommend(
    records: Sequence[TrialRecord],
    goal: Goal,
    certified: Certified | None = None,
    known: Known | None = None,
) -> Recommendation | None:
    """The incumbent, when it is not the baseline itself and better than it; None otherwise.

    A baseline that ran out of memory or diverged is beaten by anything that runs; one that was lost, stopped
    or not asked, or did not report the objective, leaves nothing to compare with, and nothing is recommended.
    """
    known = estimates(records) if known is None else known
    best, bound = incumbent(records, goal, certified, known), threshold(records, goal.target, known)
    trial, baseline = reference(records, Purpose.BASELINE), baseline_estimate(records, known)
    if best is None or bound is None or trial is None or best.config == trial.config:
        return None
    value = goal.value(best, baseline)
    to_beat = goal.value(baseline, baseline) if baseline is not None else None
    assert value is not None  # an incumbent has one
    if to_beat is not None and value < to_beat:
        speedup = to_beat / value
    elif trial.state is TrialState.INFEASIBLE:
        speedup = None
    else:
        return None
    return Recommendation(
        estimate=best,
        value=value,
        speedup=speedup,
        margin_pct=100 * (1 - best.nrmse / bound),
        reason=f"no feasible one of {len(known)} configurations measured at full budget is "
        f"{goal.objective.better}",
        probability=certified[best.config] if certified is not None else None,
    )
