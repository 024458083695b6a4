"""The state of a run while it works, or as its journal left it: a value, and its words.

A pipe gets one plain line of it, a terminal the view of `live`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuner.advisor import Advisor
from tuner.core.conclusion import amount
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal, Objective
from tuner.core.recommend import baseline_estimate, incumbent, threshold
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.past import PastRun
from tuner.report.text import duration
from tuner.spec import StudySpec

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
        baseline: What was measured of the baseline.
        best: The best feasible configuration so far.
        goal: In what it is the best.
        running: What runs now.
        recent: What ended last, oldest first.
        records: Every trial, in the order of asking.
        threshold: The target as an NRMSE; None while it is relative to a baseline not measured yet.
        told_s: When each running trial was last heard of, seconds since the study began.
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
    told_s: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, advisor: Advisor, elapsed_s: float) -> Progress:
        """The advisor's state now."""
        return cls._of(advisor.study, advisor.records, elapsed_s, advisor.num_counted, advisor.incumbent)

    @classmethod
    def of_past(cls, past: PastRun, elapsed_s: float) -> Progress:
        """What a run's journal says; its best is what it certified, or before its end what was measured."""
        said = None if past.end is None else past.end["certified"]
        certified = None if said is None else {TrialConfig.from_dict(config): p for config, p in said}
        best = incumbent(past.records, past.study.goal, certified)
        num_trials = len({record.config for record in past.records})  # as the advisor counts
        progress = cls._of(past.wanted, past.records, elapsed_s, num_trials, best)
        told_s: dict[str, float] = {}
        for event in past.events:
            trial_id = event.get("trial_id") or event.get("answer", {}).get("trial_id")
            if trial_id:
                told_s[trial_id] = float(event["elapsed_s"])
        return replace(progress, told_s={r.trial_id: told_s[r.trial_id] for r in progress.running})

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
        return cls(
            counts=dict(Counter(record.state for record in records)),
            num_trials=num_trials,
            budget_trials=study.budget.trials,
            elapsed_s=elapsed_s,
            budget_s=study.budget.budget_s,
            baseline=baseline_estimate(records),
            best=best,
            goal=study.goal,
            running=tuple(record for record in records if record.state is TrialState.RUNNING),
            recent=tuple(ended[-_NUM_RECENT:]),
            records=tuple(records),
            threshold=threshold(records, study.target),
        )

    def later(self, seconds: float) -> Progress:
        """The same state when only time has passed."""
        return replace(self, elapsed_s=self.elapsed_s + seconds)

    def eta_s(self, record: TrialRecord) -> float | None:
        """Seconds until a running trial has run all its epochs at its own pace; None before its first."""
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
        early = (TrialState.STOPPED, TrialState.INFEASIBLE, TrialState.FAILED)
        return tuple(record for record in self.records if record.state in early)

    @property
    def counts_text(self) -> str:
        """Such as `5 done, 2 stopped, 1 running`: states that do not occur are left out, but these three."""
        always = {
            TrialState.COMPLETE: "done",
            TrialState.STOPPED: "stopped",
            TrialState.RUNNING: "running",
        }
        rare = {TrialState.INFEASIBLE: "infeasible", TrialState.FAILED: "failed"}
        shown = [f"{self.counts.get(state, 0)} {word}" for state, word in always.items()]
        shown += [f"{self.counts[s]} {word}" for s, word in rare.items() if s in self.counts]
        return ", ".join(shown)

    @property
    def best_text(self) -> str:
        """The best feasible trial against the baseline."""
        if self.best is None:
            return "nothing feasible yet"
        goal, baseline = self.goal, self.baseline
        value, theirs = goal.value(self.best, baseline), goal.value(baseline, baseline) if baseline else None
        against = f", {theirs / value:.2f}x the baseline" if value and theirs else ""
        shown = "" if goal.objective is Objective.TIME or not value else f"{amount(value, goal.objective)}, "
        seeds = len(self.best.seeds)
        runs = f" ({seeds} seeds)" if seeds > 1 else ""
        return f"best {shown}{self.best.time_s:.2f} s at NRMSE {self.best.nrmse:.4f}{runs}{against}"

    @property
    def budget_text(self) -> str:
        """Elapsed and remaining budget, trials and time."""
        left_s = self.budget_s - self.elapsed_s
        return (
            f"trial {self.num_trials}/{self.budget_trials}, {duration(self.elapsed_s)} elapsed, "
            f"{duration(left_s)} left"
        )

    def plain(self) -> str:
        """One line without control characters."""
        return f"{self.counts_text} | {self.best_text} | {self.budget_text}"
