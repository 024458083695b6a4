"""The answer of a study, from its records alone: which configuration to run.

Only a configuration measured at its full budget, in one go, within the target and every limit, and better
than the baseline in the study's objective may be recommended. Stopped trials and projections never enter.
Runs that went on from a checkpoint count beside one that did not, never alone. Runs of one configuration with
several seeds are judged together, by their means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate, estimates
from tuner.core.goal import Goal
from tuner.core.objectives import Target
from tuner.core.trial import Purpose, TrialRecord, TrialState, searched

Admitted = Mapping[TrialConfig, float]
"""The configurations that may be recommended, each with the probability that it meets the target; the best
first, as far as is believed: a single short time may be luck."""

Known = Mapping[TrialConfig, Estimate]
"""The estimates of all configurations; see `estimates`."""

BETTER_LEVEL = 0.05
"""One-sided level at which a configuration must be better than the baseline where both have several runs.

A search recommends one of many, so a difference within the error of the means is probably luck. Where either
has a single run there is no error to hold the difference against: the certificate's pairs decide.
"""


LEAST_GAIN = 0.01
"""Share by which it must be better at least: of many that are alike, the luckiest seems a little better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A configuration to run instead of the baseline.

    Attributes:
        estimate: The estimate of the configuration.
        value: Value of the study's objective.
        speedup: The baseline's objective over its own; None when the baseline cannot run here at all.
        margin_pct: Margin of its mean NRMSE under the target, percent of the target.
        probability: Probability that its mean NRMSE over all seeds meets the target; None if unknown.
    """

    estimate: Estimate
    value: float
    speedup: float | None
    margin_pct: float
    probability: float | None = None


def reference(records: Iterable[TrialRecord], purpose: Purpose) -> TrialRecord | None:
    """The newest trial asked for `purpose`: a lost baseline that was asked again counts once."""
    return max(
        (record for record in records if record.purpose is purpose),
        key=lambda record: record.trial_id,
        default=None,
    )


def baseline_estimate(records: Sequence[TrialRecord], known: Known | None = None) -> Estimate | None:
    """Returns the estimate of the baseline; None until it has run to its full budget."""
    baseline = reference(records, Purpose.BASELINE)
    if baseline is None:
        return None
    return (estimates(records) if known is None else known).get(baseline.config)


def threshold(records: Sequence[TrialRecord], target: Target, known: Known | None = None) -> float | None:
    """The target as an NRMSE; None while it is relative to a baseline that has not been measured."""
    baseline = baseline_estimate(records, known)
    return target.threshold(baseline.nrmse if baseline else None)


def best_measured(
    records: Sequence[TrialRecord],
    goal: Goal,
    admitted: Admitted | None = None,
    known: Known | None = None,
) -> Estimate | None:
    """The best configuration whose mean NRMSE meets the target and which keeps the limits; None without one.

    Args:
        records: Records of every trial.
        goal: The goal of the study.
        admitted: The only ones that may be relied on; None admits all.
        known: The estimates of the records, where the caller has them.
    """
    known = estimates(records) if known is None else known
    return next(iter(_admissible(known, goal, admitted, baseline_estimate(records, known))), None)


def _admissible(
    known: Known, goal: Goal, admitted: Admitted | None, baseline: Estimate | None
) -> list[Estimate]:
    """Returns what meets the target and keeps the limits, the best first: as admitted, else by its mean."""
    yardstick = baseline.nrmse if baseline else None
    place = {config: k for k, config in enumerate(admitted or ())}
    found = [
        (place.get(e.config, 0), value, e.nrmse, k, e)
        for k, e in enumerate(known.values())
        if goal.target.is_met(e.nrmse, yardstick)
        and (admitted is None or e.config in admitted)
        and not e.is_resumed
        and not goal.breaches(e, baseline)
        and (value := goal.value(e, baseline)) is not None
    ]
    return [estimate for *_, estimate in sorted(found)]


def misses_target(baseline: Estimate, target: Target) -> bool:
    """Whether the baseline's mean misses the target: then it is nothing to beat, however fast it is."""
    return not target.is_met(baseline.nrmse, baseline.nrmse)


def is_better(estimate: Estimate, baseline: Estimate, goal: Goal) -> bool:
    """Whether a configuration's mean is better than the baseline's, by `LEAST_GAIN` and the search's error.

    The runs of a certificate count for the means alone: they are paired, and have a test of their own, which
    a drift of the device does not disturb as it disturbs this one.
    """
    value, to_beat = goal.value(estimate, baseline), goal.value(baseline, baseline)
    if value is None or to_beat is None or value >= to_beat * (1 - LEAST_GAIN):
        return False
    mine, theirs = _searched(estimate), _searched(baseline)
    ratio = goal.ratio(theirs, mine) if mine and theirs else None
    return ratio is None or ratio.lower(BETTER_LEVEL) > 0


def _searched(estimate: Estimate) -> Estimate | None:
    """Returns the search's own estimate of a configuration; None if it never ran to its full budget."""
    records = searched(estimate.records)
    return Estimate(records=records) if records else None


def recommend(
    records: Sequence[TrialRecord],
    goal: Goal,
    admitted: Admitted | None = None,
    known: Known | None = None,
) -> Recommendation | None:
    """The best configuration that is better than the baseline, see `is_better`; None without one.

    A baseline that ran out of memory, diverged or misses the target is beaten by anything that meets it; one
    that was lost, stopped or not asked, or did not report the objective, leaves nothing to compare with, and
    nothing is recommended.
    """
    known = estimates(records) if known is None else known
    bound, trial = threshold(records, goal.target, known), reference(records, Purpose.BASELINE)
    if bound is None or trial is None:
        return None
    baseline = baseline_estimate(records, known)
    if baseline is None and trial.state is not TrialState.INFEASIBLE:
        return None
    found = _admissible(known, goal, admitted, baseline)
    rival = None if baseline is None or misses_target(baseline, goal.target) else baseline
    best = next((e for e in found if rival is None or is_better(e, rival, goal)), None)
    if best is None:
        return None
    value = goal.value(best, baseline)
    to_beat = goal.value(baseline, baseline) if baseline is not None else None
    assert value is not None  # what is admissible has one
    speedup = None if to_beat is None else to_beat / value
    return Recommendation(
        estimate=best,
        value=value,
        speedup=speedup,
        margin_pct=100 * (1 - best.nrmse / bound),
        probability=admitted[best.config] if admitted is not None else None,
    )
