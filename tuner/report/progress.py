"""The state of a run in words: how many trials, the best so far, and the budget."""

from __future__ import annotations

from tuner.core.amount import amount
from tuner.core.goal import Objective
from tuner.core.trial import TrialState
from tuner.report.text import duration, quality
from tuner.runs.progress import Progress


def counts_text(progress: Progress) -> str:
    """Such as `5 done, 2 stopped, 1 running`: states that do not occur are left out, but these three."""
    always = {
        TrialState.COMPLETE: "done",
        TrialState.STOPPED: "stopped",
        TrialState.RUNNING: "running",
    }
    rare = (TrialState.INFEASIBLE, TrialState.FAILED, TrialState.DISCARDED)
    shown = [f"{progress.counts.get(state, 0)} {word}" for state, word in always.items()]
    shown += [f"{progress.counts[state]} {state}" for state in rare if state in progress.counts]
    return ", ".join(shown)


def best_text(progress: Progress) -> str:
    """The best feasible configuration against the baseline."""
    goal, best, baseline = progress.goal, progress.best, progress.baseline
    if best is None:
        return "nothing feasible yet"
    value, theirs = goal.value(best, baseline), goal.value(baseline, baseline) if baseline else None
    against = f", {theirs / value:.2f}x the baseline" if value and theirs else ""
    is_other = goal.objective is not Objective.TIME
    shown = f"{amount(value, goal.objective)}, " if value and is_other else ""
    seeds = len(best.seeds)
    runs = f" ({seeds} seeds)" if seeds > 1 else ""
    return f"best {shown}{best.time_s:.2f} s at {quality(best, goal.metric)}{runs}{against}"


def budget_text(progress: Progress) -> str:
    """Elapsed and remaining budget, trials and time."""
    left_s = progress.budget_s - progress.elapsed_s
    left = f"{duration(left_s)} left" if left_s >= 0 else f"{duration(-left_s)} over the budget"
    elapsed = duration(progress.elapsed_s)
    return f"trial {progress.num_trials}/{progress.budget_trials}, {elapsed} elapsed, {left}"


def plain_line(progress: Progress) -> str:
    """Returns all of the progress in one line without control characters."""
    return f"{counts_text(progress)} | {best_text(progress)} | {budget_text(progress)}"
