"""The answer of a study, from its records alone: which configuration to run, or why none.

Only a trial measured at its full budget, in one go, within the target and faster than the baseline
may be recommended. Stopped trials, projections and resumed trials never enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuner.core.objectives import Target
from tuner.core.trial import Purpose, TrialRecord, TrialState


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
        record: The trial it was measured in.
        speedup: The baseline's `time_s` over its own; None when the baseline cannot run here at
            all.
        margin_pct: How far its NRMSE lies under the target, percent of the target.
        certified: False: one paired run is evidence, not proof.
        reason: Why this one, in words.
    """

    record: TrialRecord
    speedup: float | None
    margin_pct: float
    certified: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a study found, complete enough to write every output from.

    Attributes:
        outcome: See `StudyOutcome`.
        recommendation: Present exactly when the outcome is RECOMMENDED.
        baseline: The baseline's newest trial, None when it was never asked.
        guide: The newest trial of the guide's own row, None when the study names none.
        nearest_miss: When nothing met the target, the full-budget trial that came nearest.
        sentence: The outcome in one honest sentence.
    """

    outcome: StudyOutcome
    recommendation: Recommendation | None
    baseline: TrialRecord | None
    guide: TrialRecord | None
    nearest_miss: TrialRecord | None
    sentence: str


def reference(records: Iterable[TrialRecord], purpose: Purpose) -> TrialRecord | None:
    """The newest trial asked for `purpose`: a lost baseline that was asked again counts once."""
    return max(
        (record for record in records if record.purpose is purpose),
        key=lambda record: record.trial_id,
        default=None,
    )


def baseline_nrmse(records: Iterable[TrialRecord]) -> float | None:
    """The baseline's NRMSE at full budget; None until it has been measured."""
    baseline = reference(records, Purpose.BASELINE)
    return baseline.nrmse if baseline and baseline.is_full_budget else None


def incumbent(records: Sequence[TrialRecord], target: Target) -> TrialRecord | None:
    """The fastest trial that ran to its full budget and meets the target; None while there is none."""
    yardstick = baseline_nrmse(records)
    return min(
        (r for r in records if r.is_full_budget and target.is_met(r.nrmse, yardstick)),
        key=lambda record: (record.time_s, record.nrmse, record.trial_id),
        default=None,
    )


def recommend(records: Sequence[TrialRecord], target: Target) -> Recommendation | None:
    """The incumbent, when it is not the baseline itself and faster than it; None otherwise.

    A baseline that ran out of memory or diverged is beaten by anything that runs; one that was
    lost, stopped or not asked leaves nothing to compare with, and nothing is recommended.
    """
    best = incumbent(records, target)
    baseline = reference(records, Purpose.BASELINE)
    if best is None or baseline is None or best.config == baseline.config:
        return None
    if baseline.state is TrialState.INFEASIBLE:
        speedup = None
    elif baseline.is_full_budget and best.time_s < baseline.time_s:
        speedup = baseline.time_s / best.time_s
    else:
        return None
    threshold = target.threshold(baseline_nrmse(records))
    assert threshold is not None  # it was met
    return Recommendation(
        record=best,
        speedup=speedup,
        margin_pct=100 * (1 - best.nrmse / threshold),
        certified=False,
        reason=f"the fastest feasible of {sum(r.is_full_budget for r in records)} configurations "
        "measured at full budget",
    )


def conclude(records: Sequence[TrialRecord], target: Target) -> Conclusion:
    """What the records say, with one honest sentence."""
    baseline = reference(records, Purpose.BASELINE)
    found = recommend(records, target)
    miss = None if incumbent(records, target) else _nearest_miss(records)
    if found:
        outcome, sentence = StudyOutcome.RECOMMENDED, _recommended_sentence(found, baseline, target)
    elif baseline is None or not (baseline.is_full_budget or baseline.state is TrialState.INFEASIBLE):
        outcome, sentence = StudyOutcome.NO_BASELINE, _no_baseline_sentence(baseline)
    elif incumbent(records, target) is None:
        outcome, sentence = StudyOutcome.TARGET_NOT_MET, _not_met_sentence(miss, target, records)
    else:
        outcome = StudyOutcome.KEEP_BASELINE
        sentence = (
            f"Keep the baseline ({baseline.config}): no other configuration that was measured meets "
            f"{target.text} and is faster than its {baseline.time_s:.2f} s."
        )
    return Conclusion(
        outcome=outcome,
        recommendation=found,
        baseline=baseline,
        guide=reference(records, Purpose.GUIDE),
        nearest_miss=miss,
        sentence=sentence,
    )


def _nearest_miss(records: Sequence[TrialRecord]) -> TrialRecord | None:
    return min(
        (record for record in records if record.is_full_budget),
        key=lambda record: (record.nrmse, record.time_s, record.trial_id),
        default=None,
    )


def _recommended_sentence(found: Recommendation, baseline: TrialRecord | None, target: Target) -> str:
    record = found.record
    assert baseline is not None  # recommend() compares with it
    against = (
        f"{found.speedup:.2f}x faster than the baseline's {baseline.time_s:.2f} s"
        if found.speedup is not None
        else f"where the baseline cannot run ({baseline.reason})"
    )
    return (
        f"Recommended: {record.config} takes {record.time_s:.2f} s, {against}, at NRMSE {record.nrmse:.4f}, "
        f"{found.margin_pct:.1f} % within the target {target.text}; each was measured once, at full budget, "
        f"with seed {record.seed}: evidence, not yet a certificate."
    )


def _no_baseline_sentence(baseline: TrialRecord | None) -> str:
    why = "was not run" if baseline is None else f"was not measured ({baseline.reason or baseline.state})"
    return f"Nothing is recommended: the baseline {why}, so there is nothing to be faster than."


def _not_met_sentence(miss: TrialRecord | None, target: Target, records: Sequence[TrialRecord]) -> str:
    if miss is None:
        return f"Nothing is recommended: none of {len(records)} trials ran to its full budget."
    threshold = target.threshold(baseline_nrmse(records))
    assert threshold is not None or target.is_relative
    gap = f" ({100 * (miss.nrmse / threshold - 1):.1f} % over)" if threshold else ""
    return (
        f"Nothing is recommended: no trial met {target.text}; the nearest miss is {miss.config} "
        f"with NRMSE {miss.nrmse:.4f}{gap} in {miss.time_s:.2f} s."
    )
