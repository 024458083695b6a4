"""The state of a run while it works, or as its journal left it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuner.advisor import Advisor
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal
from tuner.core.recommend import baseline_estimate, best_measured, threshold
from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord, TrialState
from tuner.core.untrained import Start
from tuner.runs.past_run import PastRun

_NUM_RECENT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A run at one moment.

    Attributes:
        counts: Trials by state.
        num_trials: Trials that count against the budget so far.
        budget_trials: All that may run.
        elapsed_s: Since the study began.
        budget_s: All there is.
        baseline: The estimate of the baseline.
        best: The best feasible configuration so far.
        goal: The goal of the study, by which it is the best.
        running: The trials that run now.
        recent: The trials that ended last, oldest first.
        records: Every trial, in the order of asking.
        threshold: The target as an NRMSE; None while it is relative to a baseline not measured yet.
        start: The untrained start; None if no trial has measured it.
        told_s: Time at which each running trial was last heard of, seconds since the study began.
    """

    counts: dict[TrialState, int]
    num_trials: int
    budget_trials: int
    elapsed_s: float
    budget_s: float
    baseline: Estimate | None
    best: Estimate | None
    goal: Goal
    running: tuple[TrialRecord, ...]
    recent: tuple[TrialRecord, ...]
    records: tuple[TrialRecord, ...]
    threshold: float | None
    start: Start | None = None
    told_s: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, advisor: Advisor, elapsed_s: float) -> Progress:
        """The advisor's state now."""
        return cls._of(advisor.study, advisor.records, elapsed_s, advisor.num_counted, advisor.incumbent)

    @classmethod
    def of_past(cls, past: PastRun, elapsed_s: float) -> Progress:
        """Returns what a journal says; its best is what it certified, or before its end what was measured."""
        admitted = None if past.end is None else past.end.admitted
        best = best_measured(past.records, past.study.goal, admitted)
        num_trials = len({record.config for record in past.records})  # as the advisor counts
        progress = cls._of(past.wanted, past.records, elapsed_s, num_trials, best)
        return replace(progress, told_s={r.trial_id: past.facts.told_s[r.trial_id] for r in progress.running})

    @classmethod
    def _of(
        cls,
        study: StudySpec,
        records: Sequence[TrialRecord],
        elapsed_s: float,
        num_trials: int,
        best: Estimate | None,
    ) -> Progress:
        ended = [record for record in records if record.state is not TrialState.RUNNING]
        baseline = baseline_estimate(records)
        return cls(
            counts=dict(Counter(record.state for record in records)),
            num_trials=num_trials,
            budget_trials=study.budget.trials,
            elapsed_s=elapsed_s,
            budget_s=study.budget.budget_s,
            baseline=baseline,
            best=best,
            goal=study.goal,
            running=tuple(record for record in records if record.state is TrialState.RUNNING),
            recent=tuple(ended[-_NUM_RECENT:]),
            records=tuple(records),
            threshold=threshold(records, study.target),
            start=Start.of(records, study.target, baseline.nrmse if baseline else None),
        )

    def later(self, seconds: float) -> Progress:
        """Returns the same state at a later time, when nothing else has changed."""
        return replace(self, elapsed_s=self.elapsed_s + seconds)

    def eta_s(self, record: TrialRecord) -> float | None:
        """Returns the seconds until a running trial has run all epochs at its pace; None before its first."""
        if not record.epoch or record.last is None:
            return None
        spent_s = record.last.time_s + record.last.evaluate_time_s
        left_s = spent_s / record.epoch * (record.num_epochs - record.epoch)
        return max(0.0, left_s - (self.elapsed_s - self.told_s.get(record.trial_id, self.elapsed_s)))

    @property
    def spent(self) -> float:
        """The share of the budget that is spent, of time or of trials, whichever is more; 0 to 1."""
        return min(1.0, max(self.elapsed_s / self.budget_s, self.num_trials / self.budget_trials))

    @property
    def stops(self) -> tuple[TrialRecord, ...]:
        """The trials that ended before their full budget, with their reasons, oldest first."""
        whole = (TrialState.COMPLETE, TrialState.RUNNING)
        return tuple(record for record in self.records if record.state not in whole)
