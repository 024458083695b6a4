"""Writes the tables that the search benchmark prints, and its line of JSON.

This module knows outcomes and latencies. It runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.search.latency import Latency
from benchmarks.search.results import (
    ArmRun,
    at_best_budget,
    cost_of_success,
    grouped,
    interval,
    lies_pct,
    median_baseline_cost,
    ratio,
    success_pct,
)

COLUMNS = {
    "success %": 10,
    "cost": 8,
    "of a success": 14,
    "lies %": 8,
    "time/opt": 9,
    "trials": 8,
    "wall s": 8,
}
HEAD = " " * 34 + "".join(f"{name:>{width}}" for name, width in COLUMNS.items())


def table(
    set_name: str, outcomes: Sequence[ArmRun], *, num_seeds: int, num_workers: int, budget_units: float
) -> str:
    """Returns the table of a set: each arm on each instance, then each arm on all instances.

    Args:
        set_name: Name of the set.
        outcomes: Outcomes of the set's runs.
        num_seeds: Number of seeds that were asked for.
        num_workers: Number of trials at once.
        budget_units: Budget in trainings of the optimum.
    """
    how = "Real runs" if set_name == "real" else "Simulated"
    lines = [
        f"\n{how}, set {set_name}, {num_seeds} seeds, {num_workers} worker(s), budget {budget_units:g}",
        HEAD,
    ]
    for arm, runs in grouped(outcomes, lambda o: o.arm).items():
        lines.append(f"{arm}")
        lines += [_line(f"  {name}", group) for name, group in grouped(runs, lambda o: o.instance).items()]
    lines += [
        "",
        f"{'all of ' + set_name:<34}{HEAD[34:]}   success % and cost of a success with 95 % intervals",
    ]
    for arm, runs in grouped(outcomes, lambda o: o.arm).items():
        shown = f"{interval(runs, success_pct)}, {interval(runs, cost_of_success)}"
        best = at_best_budget(runs) if runs[0].answers else []
        at_best = f"; at its best budget, solvable only, {interval(best, cost_of_success)}" if best else ""
        lines.append(f"{_line(arm, runs)}   {shown}{at_best}")
        lines.append(f"    of the cost: {_shares(runs)}")
    return "\n".join(lines)


def _line(name: str, runs: Sequence[ArmRun]) -> str:
    ratios = [o.time_ratio for o in runs if o.time_ratio is not None and not o.is_lie]
    mean_cost = sum(o.cost for o in runs) / len(runs)
    return (
        f"{name:<34}{success_pct(runs):>10.0f}{mean_cost:>8.1f}{cost_of_success(runs):>14.1f}{lies_pct(runs):>8.1f}"
        f"{median(ratios) if ratios else float('nan'):>9.2f}{median(o.num_trials for o in runs):>8.0f}"
        f"{median(o.wall_s for o in runs):>8.2f}"
    )


def _shares(runs: Sequence[ArmRun]) -> str:
    names = sorted({name for o in runs for name in o.shares})
    means = {name: sum(o.shares.get(name, 0.0) for o in runs) / len(runs) for name in names}
    return ", ".join(f"{name} {value:.1f}" for name, value in means.items() if value >= 0.05)


def summary(outcomes: Sequence[ArmRun], latencies: Mapping[str, Latency] | None = None) -> dict[str, object]:
    """Returns the line of JSON, with None for what was not run.

    The real stage's cost comes from real runs (benchmarks.search_real --save) if they were loaded, and from
    replayed ones otherwise. Ratios against peers take the peer and the margin with the least cost of a
    success at the common budget.
    """

    def of(set_name: str) -> dict[str, list[ArmRun]]:
        return grouped([o for o in outcomes if o.set_name == set_name], lambda o: o.arm)

    def against_best_peer(set_name: str) -> list[float | None] | None:
        by_arm = of(set_name)
        peers = [runs for arm, runs in by_arm.items() if arm.split()[0] != "ours"]
        if "ours" not in by_arm or not peers:
            return None
        return ratio(min(peers, key=cost_of_success), by_arm["ours"]).as_list()

    reported = grouped([o for o in outcomes if o.set_name in ("held_out", "alien")], lambda o: o.arm)
    ours = reported.get("ours", [])
    parallel = next((runs for arm, runs in reported.items() if arm.startswith("ours x")), [])
    measured = of("real").get("ours", []) or of("table").get("ours", [])
    return {
        "cost_ratio_vs_best_peer": against_best_peer("held_out"),
        "cost_ratio_vs_best_peer_alien": against_best_peer("alien"),
        "lies_pct": interval(ours, lies_pct).as_list() if ours else None,
        "four_worker_cost_ratio": ratio(parallel, ours).as_list() if parallel and ours else None,
        "suggest_p95_ms": {name: found.p95_ms for name, found in latencies.items()} if latencies else None,
        "real_stage_cost_in_baseline_trainings": (
            interval(measured, median_baseline_cost).as_list() if measured else None
        ),
    }
