"""Concludes what a study found, from its records alone: the answer, or why there is none.

Knows neither which configuration deserves to win (that is `recommend`'s) nor how a result is put into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuner.certificate import Certificate, Conditions, Verdict, certify, subject
from tuner.certificate.speedup import Speedup, speedup_of
from tuner.core.certificate_terms import Terms
from tuner.core.estimate import Estimate, estimates
from tuner.core.goal import Goal
from tuner.core.recommend import (
    Admitted,
    Recommendation,
    baseline_estimate,
    best_measured,
    recommend,
    reference,
    threshold,
)
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.core.untrained import Start


class StudyOutcome(StrEnum):
    """The way in which a study ended, as far as its records tell."""

    RECOMMENDED = "recommended"
    KEEP_BASELINE = "keep_baseline"
    TARGET_NOT_MET = "target_not_met"
    NO_BASELINE = "no_baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A configuration that outputs show.

    Attributes:
        trial: The newest trial that was asked for it in its own right; it says how that ended.
        estimate: Its measured values; None if it never ran to its full budget.
    """

    trial: TrialRecord
    estimate: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """The findings of a study, complete enough to write every output from.

    Attributes:
        outcome: The way in which the study ended.
        recommendation: The recommendation; present exactly when the outcome is RECOMMENDED.
        rows: The configurations to show, by title: baseline, guide, recommended and nearest_miss, as
            far as they exist.
        goal: The study's goal.
        num_trials: Number of trials it rests on.
        best_measured: The best configuration that met target and limits, possibly the baseline; None
            if none did.
        is_simulated: Whether nothing was measured.
        certificate: The certificate of the recommendation; None without one, or if none was asked for.
        spent: The certificate of a configuration that was recommended when its first pair was asked for and
            is not any more; the present recommendation then has none.
        start: The untrained start; None if no trial measured it.
    """

    outcome: StudyOutcome
    recommendation: Recommendation | None
    rows: dict[str, Row]
    goal: Goal
    num_trials: int
    best_measured: Estimate | None = None
    is_simulated: bool = False
    certificate: Certificate | None = None
    spent: Certificate | None = None
    start: Start | None = None

    @property
    def is_certified(self) -> bool:
        """Whether the recommendation is proved. A simulation proves nothing."""
        return self.certificate is not None and self.certificate.verdict is Verdict.CERTIFIED

    @property
    def speedup(self) -> Speedup | None:
        """The speed-up to show: of the certificate's pairs if there are any, else of the mean of all runs."""
        if self.recommendation is None or self.baseline is None:
            return None
        return speedup_of(self.recommendation, self.certificate, self.baseline, self.goal)

    @property
    def baseline(self) -> Estimate | None:
        """The measured values of the baseline; None if it never ran to its full budget."""
        row = self.rows.get("baseline")
        return row.estimate if row else None


def conclude(
    records: Sequence[TrialRecord],
    goal: Goal,
    admitted: Admitted | None = None,
    *,
    terms: Terms | None = None,
    conditions: Conditions | None = None,
    is_over: bool = True,
) -> Conclusion:
    """Concludes from the records what the study found.

    Args:
        records: The records of all trials.
        goal: The study's goal.
        admitted: The only configurations that may be recommended; None admits all.
        terms: The terms of the certificate; None if none is wanted.
        conditions: The conditions that the trials were run under.
        is_over: Whether the study has ended; see `certify`.
    """
    known = estimates(records)
    trial, baseline = reference(records, Purpose.BASELINE), baseline_estimate(records, known)
    best, found = best_measured(records, goal, known=known), recommend(records, goal, admitted, known)
    miss = None if best else _nearest_miss(records, goal)
    conditions = conditions or Conditions()
    certificate, spent = _certificates(records, found, goal, terms, conditions, is_over=is_over)
    shown = {
        "baseline": trial,
        "guide": reference(records, Purpose.GUIDE),
        "recommended": found.estimate.records[0] if found else None,
        "nearest_miss": miss.records[0] if miss else None,
    }
    return Conclusion(
        outcome=StudyOutcome.RECOMMENDED if found else _without(trial, baseline, best, goal),
        recommendation=found,
        rows={title: Row(trial=one, estimate=known.get(one.config)) for title, one in shown.items() if one},
        goal=goal,
        num_trials=len(records),
        best_measured=best,
        is_simulated=conditions.is_simulated,
        certificate=certificate,
        spent=spent,
        start=Start.of(records, goal.target, baseline.nrmse if baseline else None),
    )


def _without(
    trial: TrialRecord | None, baseline: Estimate | None, best: Estimate | None, goal: Goal
) -> StudyOutcome:
    """Returns how a study ended that recommends nothing; `trial` is the baseline's."""
    to_beat = goal.value(baseline, baseline) if baseline else None
    if to_beat is None and (trial is None or trial.state is not TrialState.INFEASIBLE):
        return StudyOutcome.NO_BASELINE
    if best is None or to_beat is None:
        return StudyOutcome.TARGET_NOT_MET
    return StudyOutcome.KEEP_BASELINE


def _certificates(
    records: Sequence[TrialRecord],
    found: Recommendation | None,
    goal: Goal,
    terms: Terms | None,
    conditions: Conditions,
    *,
    is_over: bool,
) -> tuple[Certificate | None, Certificate | None]:
    """Returns the recommendation's certificate and the spent one; one exists at most, see `subject`."""
    trial, row = (reference(records, purpose) for purpose in (Purpose.BASELINE, Purpose.GUIDE))
    if trial is None or terms is None or not terms.looks:
        return None, None
    guide, mine = row.config if row else None, found.estimate.config if found else None
    of = subject(records, trial.config, guide) or mine
    if of is None:
        return None, None
    judged = certify(
        records, of, trial.config, goal, terms, guide=guide, conditions=conditions, is_over=is_over
    )
    if of == mine:
        return judged, None
    return None, judged if is_over or found else None  # a run that goes on recommends nothing yet


def _nearest_miss(records: Sequence[TrialRecord], goal: Goal) -> Estimate | None:
    """Returns the configuration whose shortfalls of target and limits add up to the least."""
    bound, baseline = threshold(records, goal.target), baseline_estimate(records)

    def shortfall(estimate: Estimate) -> float:
        over = max(0.0, 1 - bound / estimate.nrmse) if bound and goal.limits else 0.0
        return over + sum(breach.excess for breach in goal.breaches(estimate, baseline))

    known = estimates(records).values()
    return min(known, key=lambda e: (shortfall(e), e.nrmse, e.time_s), default=None)
