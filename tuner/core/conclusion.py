"""What a study found, from its records alone, told in one honest sentence: the answer, or why there is none.

Knows how results are put into words, not which configuration deserves to win: that is `recommend`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuner.core.certificate import Certificate, Device, Terms, Verdict, certify
from tuner.core.estimate import Estimate, estimates
from tuner.core.goal import Goal, Objective
from tuner.core.recommend import (
    Certified,
    Recommendation,
    baseline_estimate,
    incumbent,
    recommend,
    reference,
    threshold,
)
from tuner.core.trial import Purpose, TrialRecord, TrialState


class StudyOutcome(StrEnum):
    """How a study ended, as far as its records tell."""

    RECOMMENDED = "recommended"
    KEEP_BASELINE = "keep_baseline"
    TARGET_NOT_MET = "target_not_met"
    NO_BASELINE = "no_baseline"


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
class Speedup:
    """The baseline's objective over the recommended one's, as it is shown.

    Attributes:
        ratio: How many times.
        low: Lower bound of its interval; None: it has none.
        high: Upper bound.
        basis: What it is of, in words.
    """

    ratio: float
    low: float | None = None
    high: float | None = None
    basis: str

    @property
    def text(self) -> str:
        """The ratio with its interval: `3.88x [3.60, 4.19]`."""
        interval = "" if self.low is None or self.high is None else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.ratio:.2f}x{interval}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a study found, complete enough to write every output from.

    Attributes:
        outcome: See `StudyOutcome`.
        recommendation: Present exactly when the outcome is RECOMMENDED.
        rows: What to show, by title: baseline, guide, recommended, nearest_miss, as far as there are.
        sentence: The outcome in one honest sentence; of the certificate only whether there is one.
        goal: What was wanted.
        certificate: Of the recommendation; None without one, or when none was asked for.
    """

    outcome: StudyOutcome
    recommendation: Recommendation | None
    rows: dict[str, Row]
    sentence: str
    goal: Goal
    certificate: Certificate | None = None

    @property
    def is_certified(self) -> bool:
        """Whether the recommendation is proved."""
        return self.certificate is not None and self.certificate.verdict is Verdict.CERTIFIED

    @property
    def speedup(self) -> Speedup | None:
        """The one to show: of the certificate's pairs where there is one, else of the shortest runs."""
        return _speedup(self.recommendation, self.certificate, self.goal) if self.recommendation else None

    @property
    def baseline(self) -> Estimate | None:
        """What was measured of the baseline."""
        row = self.rows.get("baseline")
        return row.estimate if row else None


def conclude(
    records: Sequence[TrialRecord],
    goal: Goal,
    certified: Certified | None = None,
    *,
    terms: Terms | None = None,
    device: Device | None = None,
    is_over: bool = True,
) -> Conclusion:
    """What the records say, with one honest sentence.

    Args:
        records: Of every trial.
        goal: What is wanted.
        certified: See `recommend`.
        terms: What a certificate is to prove; None: none is wanted.
        device: What the trials ran on, as far as a certificate must know.
        is_over: Whether the study has ended; see `certify`.
    """
    known = estimates(records)
    trial, baseline = reference(records, Purpose.BASELINE), baseline_estimate(records, known)
    best, found = incumbent(records, goal, known=known), recommend(records, goal, certified, known)
    miss = None if best else _nearest_miss(records, goal)
    to_beat = goal.value(baseline, baseline) if baseline else None
    certificate = _certificate(records, found, goal, terms, device, is_over) if found and terms else None
    if found:
        outcome, sentence = StudyOutcome.RECOMMENDED, _recommended(found, trial, baseline, goal, certificate)
    elif to_beat is None and (trial is None or trial.state is not TrialState.INFEASIBLE):
        outcome, sentence = StudyOutcome.NO_BASELINE, _no_baseline(trial, baseline, goal)
    elif best is None or baseline is None or to_beat is None:
        outcome, sentence = StudyOutcome.TARGET_NOT_MET, _not_met(miss or best, records, goal)
    else:
        outcome, sentence = StudyOutcome.KEEP_BASELINE, _keep_baseline(best, baseline, to_beat, goal)
    shown = {
        "baseline": trial,
        "guide": reference(records, Purpose.GUIDE),
        "recommended": found.estimate.records[0] if found else None,
        "nearest_miss": miss.records[0] if miss else None,
    }
    rows = {
        title: Row(trial=record, estimate=known.get(record.config))
        for title, record in shown.items()
        if record is not None
    }
    return Conclusion(
        outcome=outcome,
        recommendation=found,
        rows=rows,
        sentence=sentence,
        goal=goal,
        certificate=certificate,
    )


def _certificate(
    records: Sequence[TrialRecord],
    found: Recommendation,
    goal: Goal,
    terms: Terms,
    device: Device | None,
    is_over: bool,
) -> Certificate | None:
    baseline, guide = (reference(records, purpose) for purpose in (Purpose.BASELINE, Purpose.GUIDE))
    if baseline is None or not terms.looks:
        return None
    return certify(
        records,
        found.estimate.config,
        baseline.config,
        goal,
        terms,
        guide=guide.config if guide else None,
        device=device,
        is_over=is_over,
    )


def _nearest_miss(records: Sequence[TrialRecord], goal: Goal) -> Estimate | None:
    """What falls short of target and limits by the least, all its shortfalls added up."""
    bound, baseline = threshold(records, goal.target), baseline_estimate(records)

    def shortfall(estimate: Estimate) -> float:
        over = max(0.0, 1 - bound / estimate.nrmse) if bound and goal.limits else 0.0
        return over + sum(breach.excess for breach in goal.breaches(estimate, baseline))

    known = estimates(records).values()
    return min(known, key=lambda e: (shortfall(e), e.nrmse, e.time_s), default=None)


def amount(value: float, objective: Objective, *, is_censored: bool = False) -> str:
    """A value of an objective with its unit; of a censored one, that it is more."""
    more = "over " if is_censored else ""
    return f"{more}{value:.2f} {objective.unit}" if value < 1e5 else f"{more}{value:.4g} {objective.unit}"


_VERB = {
    Objective.TIME: "takes",
    Objective.TIME_TO_TARGET: "is under the target for good after",
    Objective.ENERGY: "uses",
}
_AGAINST = {
    Objective.TIME: "faster than the baseline",
    Objective.TIME_TO_TARGET: "sooner than the baseline",
    Objective.ENERGY: "less energy than the baseline",
}
_OVERALL = {Objective.TIME: "the shortest of all runs"}


def _speedup(found: Recommendation, certificate: Certificate | None, goal: Goal) -> Speedup | None:
    if found.speedup is None:
        return None
    if certificate is not None and (paired := certificate.speedup) is not None:
        ratio, low, high = paired
        return Speedup(ratio=ratio, low=low, high=high, basis=f"{certificate.num_timed} fresh pairs")
    return Speedup(ratio=found.speedup, basis=_OVERALL.get(goal.objective, "all runs"))


def _recommended(
    found: Recommendation,
    trial: TrialRecord | None,
    baseline: Estimate | None,
    goal: Goal,
    certificate: Certificate | None,
) -> str:
    best, objective = found.estimate, goal.objective
    assert trial is not None  # recommend() compares with it
    speedup = _speedup(found, certificate, goal)
    if found.speedup is not None and speedup is not None and baseline is not None:
        is_censored = goal.is_censored(baseline, baseline)
        least = "at least " if is_censored else ""
        theirs = amount(found.speedup * found.value, objective, is_censored=is_censored)
        against = f"{least}{speedup.text} {_AGAINST[objective]}"
        against += f"'s {theirs}" if speedup.low is None else f" on {speedup.basis}"
    else:
        against = f"where the baseline cannot run ({trial.reason})"
    mine = amount(found.value, objective, is_censored=goal.is_censored(best, baseline))
    spread = "" if best.nrmse_sd is None else f" +- {best.nrmse_sd:.4f}"
    time = "" if objective is Objective.TIME else f" in {best.time_s:.2f} s"
    kept = "".join(f", {limit.metric} {limit.figure(best):.4g} within {limit.text}" for limit in goal.limits)
    return (
        f"Recommended: {best.config} {_VERB[objective]} {mine}, {against}, "
        f"at NRMSE {best.nrmse:.4f}{spread}{time}, "
        f"{found.margin_pct:.1f} % within the target {goal.target.text}{kept}; {_basis(best, baseline)}"
        + ("." if certificate else ": evidence, no certificate.")
    )


def _keep_baseline(best: Estimate, baseline: Estimate, to_beat: float, goal: Goal) -> str:
    value = goal.value(best, baseline)
    theirs = amount(to_beat, goal.objective, is_censored=goal.is_censored(baseline, baseline))
    if best.config != baseline.config and value is not None and value < to_beat:
        verb = "took" if goal.objective is Objective.TIME else _VERB[goal.objective]
        return (
            f"Keep the baseline ({baseline.config}): {best.config} {verb} "
            f"{amount(value, goal.objective)} against {theirs} at NRMSE {best.nrmse:.4f}, "
            f"but that it meets {goal.target.text} is not sure yet."
        )
    return (
        f"Keep the baseline ({baseline.config}): no other configuration that was measured meets "
        f"{goal.text} and is {goal.objective.better} than its {theirs}."
    )


def _basis(best: Estimate, baseline: Estimate | None) -> str:
    """What the figures rest on, and what they do not prove."""
    disturbed = [e for e in (best, baseline) if e is not None and e.is_contended]
    where = " on a contended machine, so that times are upper bounds" if disturbed else ""
    if len(best.seeds) == 1:
        return f"measured once, with seed {best.seeds[0]}{where}"
    paired = baseline is not None and baseline.seeds == best.seeds
    pair = ", the baseline with the same ones" if paired else ""
    return f"measured with {len(best.seeds)} seeds{pair}{where}"


def _no_baseline(trial: TrialRecord | None, baseline: Estimate | None, goal: Goal) -> str:
    if baseline is not None:
        why = f"did not report {goal.objective}"
    else:
        why = "was not run" if trial is None else f"was not measured ({trial.reason or trial.state})"
    return (
        f"Nothing is recommended: the baseline {why}, so there is nothing to be {goal.objective.better} than."
    )


def _not_met(miss: Estimate | None, records: Sequence[TrialRecord], goal: Goal) -> str:
    if miss is None:
        return f"Nothing is recommended: none of {len(records)} trials ran to its full budget."
    bound = threshold(records, goal.target)
    gap = f" ({100 * (miss.nrmse / bound - 1):.1f} % over)" if bound and miss.nrmse > bound else ""
    broken = "".join(f"; its {breach}" for breach in goal.breaches(miss, baseline_estimate(records)))
    return (
        f"Nothing is recommended: no configuration met {goal.text}; "
        f"the nearest miss is {miss.config} with NRMSE {miss.nrmse:.4f}{gap} in {miss.time_s:.2f} s{broken}."
    )
