"""The state of a run while it works: a value, and the two ways it is shown.

A pipe gets one plain line; a terminal gets a small panel, which `tuner.run` keeps up to date.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.advisor import Advisor
from tuner.core.conclusion import amount
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal, Objective
from tuner.core.recommend import baseline_estimate
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.text import duration, trial_line

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

    @classmethod
    def of(cls, advisor: Advisor, elapsed_s: float) -> Progress:
        """The advisor's state now."""
        records, budget = advisor.records, advisor.study.budget
        ended = [record for record in records if record.state is not TrialState.RUNNING]
        return cls(
            counts=dict(Counter(record.state for record in records)),
            num_trials=advisor.num_counted,
            budget_trials=budget.trials,
            elapsed_s=elapsed_s,
            budget_s=budget.budget_s,
            baseline=baseline_estimate(records),
            best=advisor.incumbent,
            goal=advisor.study.goal,
            running=advisor.running,
            recent=tuple(ended[-_NUM_RECENT:]),
        )

    def later(self, seconds: float) -> Progress:
        """The same state when only time has passed."""
        return replace(self, elapsed_s=self.elapsed_s + seconds)

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

    def panel(self, title: str) -> RenderableType:
        """A panel for a terminal."""
        spent = max(self.elapsed_s / self.budget_s, self.num_trials / self.budget_trials)
        best = Text(self.best_text, style="bold green" if self.best else "yellow")
        if self.best is not None:
            best.append(f"\n{self.best.config}", style="green")
        lines = Table.grid(padding=(0, 1))
        lines.add_column(no_wrap=True, overflow="ellipsis")
        for record in (*self.recent, *self.running):
            lines.add_row(Text(trial_line(record), style=_STYLES[record.state]))
        bar = ProgressBar(total=1.0, completed=min(1.0, spent), width=40)
        return Panel(
            Group(best, Text(self.counts_text), Text(self.budget_text), bar, Text(""), lines),
            title=title,
            title_align="left",
        )


_STYLES = {
    TrialState.RUNNING: "cyan",
    TrialState.COMPLETE: "",
    TrialState.STOPPED: "dim",
    TrialState.INFEASIBLE: "red",
    TrialState.FAILED: "bold red",
}
