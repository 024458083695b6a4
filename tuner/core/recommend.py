"""The answer of a study, from its records alone: which configuration to run, or why none.

Only a configuration measured at its full budget, in one go, within the target and faster than the baseline
may be recommended. Stopped trials, projections and resumed trials never enter. Runs of one configuration
with several seeds are judged together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate, estimates
from tuner.core.objectives import Target
from tuner.core.trial import Purpose, TrialRecord, TrialState

Certified = Mapping[TrialConfig, float]
"""What may be recommended, with the probability that its mean NRMSE meets the target."""


class StudyOutcome(StrEnum):
    """How a study ended, as far as its records tell."""

    RECOMMENDED = "recommended"
    KEEP_BASELINE = "keep_baseline"
    TARGET_NOT_MET = "target_not_met"
    NO_BASELINE = "no_baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A configuration to run instead of the baseline.

    Attributes:
        estimate: What was measured of it.
        speedup: The baseline's `time_s` over its own; None when the baseline cannot run here at all.
        margin_pct: How far its mean NRMSE lies under the target, percent of the target.
        certified: False: a few paired seeds are evidence, not proof.
        reason: Why this one, in words.
        probability: That its mean NRMSE over all seeds meets the target; None when nobody said.
    """

    estimate: Estimate
    speedup: float | None
    margin_pct: float
    certified: bool
    reason: str
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A configuration worth showing.

    Attributes:
        trial: The newest trial asked for it in its own right: says how it ended.
        estimate: What was measured of it; None when it never ran to its full budget.
    """

    trial: TrialRecord
    estimate: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a study found, complete enough to write every output from.

    Attributes:
        outcome: See `StudyOutcome`.
        recommendation: Present exactly when the outcome is RECOMMENDED.
        rows: What to show, by title: baseline, guide, recommended, nearest_miss, as far as there are.
        sentence: The outcome in one honest sentence.
    """

    outcome: StudyOutcome
    recommendation: Recommendation | None
    rows: dict[str, Row]
    sentence: str


def reference(records: Iterable[TrialRecord], purpose: Purpose) -> TrialRecord | None:
    """The newest trial asked for `purpose`: a lost baseline that was asked again counts once."""
    return max(
        (record for record in records if record.purpose is purpose),
        key=lambda record: record.trial_id,
        default=None,
    )


def baseline_estimate(records: Sequence[TrialRecord]) -> Estimate | None:
    """What was measured of the baseline; None until it has run to its full budget."""
    baseline = reference(records, Purpose.BASELINE)
    return estimates(records).get(baseline.config) if baseline else None


def threshold(records: Sequence[TrialRecord], target: Target) -> float | None:
    """The target as an NRMSE; None while it is relative to a baseline that has not been measured."""
    baseline = baseline_estimate(records)
    return target.threshold(baseline.nrmse if baseline else None)


def incumbent(
    records: Sequence[TrialRecord], target: Target, certified: Certified | None = None
) -> Estimate | None:
    """The fastest configuration whose mean NRMSE meets the target; None while there is none.

    Args:
        records: Of every trial.
        target: What must be met.
        certified: The only ones that may be relied on; None admits all.
    """
    baseline = baseline_estimate(records)
    yardstick = baseline.nrmse if baseline else None
    known = estimates(records).values()
    return min(
        (
            e
            for e in known
            if target.is_met(e.nrmse, yardstick) and (certified is None or e.config in certified)
        ),
        key=lambda estimate: (estimate.time_s, estimate.nrmse),
        default=None,
    )


def recommend(
    records: Sequence[TrialRecord], target: Target, certified: Certified | None = None
) -> Recommendation | None:
    """The incumbent, when it is not the baseline itself and faster than it; None otherwise.

    A baseline that ran out of memory or diverged is beaten by anything that runs; one that was lost, stopped
    or not asked leaves nothing to compare with, and nothing is recommended.
    """
    best, bound = incumbent(records, target, certified), threshold(records, target)
    trial, baseline = reference(records, Purpose.BASELINE), baseline_estimate(records)
    if best is None or bound is None or trial is None or best.config == trial.config:
        return None
    if baseline is not None and best.time_s < baseline.time_s:
        speedup = baseline.time_s / best.time_s
    elif trial.state is TrialState.INFEASIBLE:
        speedup = None
    else:
        return None
    return Recommendation(
        estimate=best,
        speedup=speedup,
        margin_pct=100 * (1 - best.nrmse / bound),
        certified=False,
        reason=f"the fastest feasible of {len(estimates(records))} configurations measured at full budget",
        probability=certified[best.config] if certified is not None else None,
    )


def conclude(
    records: Sequence[TrialRecord], target: Target, certified: Certified | None = None
) -> Conclusion:
    """What the records say, with one honest sentence.

    Args:
        records: Of every trial.
        target: What must be met.
        certified: See `recommend`.
    """
    trial, baseline = reference(records, Purpose.BASELINE), baseline_estimate(records)
    best, found = incumbent(records, target), recommend(records, target, certified)
    miss = None if best else _nearest_miss(records)
    if found:
        outcome, sentence = StudyOutcome.RECOMMENDED, _recommended(found, trial, baseline, target)
    elif baseline is None and (trial is None or trial.state is not TrialState.INFEASIBLE):
        outcome, sentence = StudyOutcome.NO_BASELINE, _no_baseline(trial)
    elif best is None or baseline is None:
        outcome, sentence = StudyOutcome.TARGET_NOT_MET, _not_met(miss or best, records, target)
    else:
        outcome, sentence = StudyOutcome.KEEP_BASELINE, _keep_baseline(best, baseline, target)
    shown = {
        "baseline": trial,
        "guide": reference(records, Purpose.GUIDE),
        "recommended": found.estimate.records[0] if found else None,
        "nearest_miss": miss.records[0] if miss else None,
    }
    known = estimates(records)
    rows = {
        title: Row(trial=record, estimate=known.get(record.config))
        for title, record in shown.items()
        if record is not None
    }
    return Conclusion(outcome=outcome, recommendation=found, rows=rows, sentence=sentence)


def _nearest_miss(records: Sequence[TrialRecord]) -> Estimate | None:
    known = estimates(records).values()
    return min(known, key=lambda estimate: (estimate.nrmse, estimate.time_s), default=None)


def _recommended(
    found: Recommendation, trial: TrialRecord | None, baseline: Estimate | None, target: Target
) -> str:
    best = found.estimate
    assert trial is not None  # recommend() compares with it
    if found.speedup is not None and baseline is not None:
        against = f"{found.speedup:.2f}x faster than the baseline's {baseline.time_s:.2f} s"
    else:
        against = f"where the baseline cannot run ({trial.reason})"
    spread = "" if best.nrmse_sd is None else f" +- {best.nrmse_sd:.4f}"
    return (
        f"Recommended: {best.config} takes {best.time_s:.2f} s, {against}, "
        f"at NRMSE {best.nrmse:.4f}{spread}, "
        f"{found.margin_pct:.1f} % within the target {target.text}; {_basis(best, baseline)}."
    )


def _keep_baseline(best: Estimate, baseline: Estimate, target: Target) -> str:
    if best.config != baseline.config and best.time_s < baseline.time_s:
        return (
            f"Keep the baseline ({baseline.config}): {best.config} took {best.time_s:.2f} s against "
            f"{baseline.time_s:.2f} s at NRMSE {best.nrmse:.4f}, "
            f"but that it meets {target.text} is not sure yet."
        )
    return (
        f"Keep the baseline ({baseline.config}): no other configuration that was measured meets "
        f"{target.text} and is faster than its {baseline.time_s:.2f} s."
    )


def _basis(best: Estimate, baseline: Estimate | None) -> str:
    """What the figures rest on, and what they do not prove."""
    disturbed = [e for e in (best, baseline) if e is not None and e.is_contended]
    where = " on a contended machine, so that times are upper bounds" if disturbed else ""
    if len(best.seeds) == 1:
        return f"measured once, with seed {best.seeds[0]}{where}: evidence, not yet a certificate"
    paired = baseline is not None and baseline.seeds == best.seeds
    pair = ", the baseline with the same ones" if paired else ""
    return f"measured with {len(best.seeds)} seeds{pair}{where}: evidence, not yet a certificate"


def _no_baseline(trial: TrialRecord | None) -> str:
    why = "was not run" if trial is None else f"was not measured ({trial.reason or trial.state})"
    return f"Nothing is recommended: the baseline {why}, so there is nothing to be faster than."


def _not_met(miss: Estimate | None, records: Sequence[TrialRecord], target: Target) -> str:
    if miss is None:
        return f"Nothing is recommended: none of {len(records)} trials ran to its full budget."
    bound = threshold(records, target)
    gap = f" ({100 * (miss.nrmse / bound - 1):.1f} % over)" if bound else ""
    return (
        f"Nothing is recommended: no configuration met {target.text}; "
        f"the nearest miss is {miss.config} with NRMSE {miss.nrmse:.4f}{gap} in {miss.time_s:.2f} s."
    )
