"""Judges real studies by the measured grid: what they cost, whether they are true, how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.search.results import ArmRun, interval, median_baseline_cost
from benchmarks.search_real.studies import StudyRun
from benchmarks.search_real.truth import Grid, group_of
from benchmarks.training.trial_log import Key

GOOD_RATIO = 1.10
"""A good recommendation takes at most this many times as long as the best feasible configuration."""
CONTENDER_RATIO = 1.15
"""A configuration is timed again if its first times are within this ratio of the best."""


def judge(
    runs: Sequence[StudyRun],
    limit: float,
    fresh_nrmses: Mapping[Key, float],
    epoch_times_s: Mapping[Key, float],
    best: Key,
    num_epochs: int,
) -> list[ArmRun]:
    """Returns an outcome for each study.

    Args:
        runs: Studies that are judged.
        limit: NRMSE to stay under.
        fresh_nrmses: Mean NRMSE over fresh seeds of every recommended configuration.
        epoch_times_s: Seconds per epoch of every recommended configuration and of `best`.
        best: Fastest truly feasible configuration.
        num_epochs: Number of epochs of a full training.
    """
    outcomes = []
    for run in runs:
        key = run.recommended
        is_feasible = key is not None and fresh_nrmses[key] < limit
        ratio = epoch_times_s[key] / epoch_times_s[best] if key else None
        outcomes.append(
            ArmRun(
                arm="ours",
                instance="cpu",
                set_name="real",
                seed=run.seed,
                is_solvable=True,
                is_success=is_feasible and ratio is not None and ratio <= GOOD_RATIO,
                is_lie=key is not None and not is_feasible,
                has_answer=key is not None,
                cost=run.total_s / (num_epochs * epoch_times_s[best]),
                baseline_cost=run.cost,
                shares={what: s / run.baseline_time_s for what, s in run.occupied_s.items()},
                time_ratio=ratio,
                num_trials=len(run.tried),
            )
        )
    return outcomes


def contenders(grid: Grid, epoch_times_s: Mapping[Key, float]) -> list[Key]:
    """Returns the feasible configurations whose times are close to the best one's, the fastest first."""
    feasible = [key for key in epoch_times_s if grid.is_feasible(group_of(key))]
    feasible.sort(key=lambda key: epoch_times_s[key])
    return [key for key in feasible if epoch_times_s[key] <= CONTENDER_RATIO * epoch_times_s[feasible[0]]]


def summary(outcomes: Sequence[ArmRun]) -> dict[str, object]:
    """Returns the line of JSON."""
    is_feasible = [o.has_answer and not o.is_lie for o in outcomes]
    return {
        "real_stage_cost_in_baseline_trainings": interval(outcomes, median_baseline_cost).as_list(),
        "truly_feasible_pct": 100 * sum(is_feasible) / len(outcomes),
        "within_10pct_pct": 100 * sum(o.is_success for o in outcomes) / len(outcomes),
        "num_master_seeds": len(outcomes),
    }


def table(runs: Sequence[StudyRun], outcomes: Sequence[ArmRun], fresh_nrmses: Mapping[Key, float]) -> str:
    """Returns a table with one row for each study."""
    lines = [
        "| seed | batch, micro, taus, accum | NRMSE, fresh seeds | time/best | cost in baselines | of it |",
        "|---|---|---|---|---|---|",
    ]
    for run, outcome in zip(runs, outcomes, strict=True):
        key = run.recommended
        shares = ", ".join(f"{what} {share:.2f}" for what, share in outcome.shares.items())
        nrmse = f"{fresh_nrmses[key]:.5f}{' OVER THE TARGET' if outcome.is_lie else ''}" if key else ""
        ratio = "" if outcome.time_ratio is None else f"{outcome.time_ratio:.2f}"
        shown = ", ".join(map(str, key)) if key else "nothing"
        lines.append(f"| {run.seed} | {shown} | {nrmse} | {ratio} | {outcome.baseline_cost:.2f} | {shares} |")
    return "\n".join(lines)
