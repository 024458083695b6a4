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
    cost_as_spent,
    cost_of_success,
    grouped,
    interval,
    lies_pct,
    median_baseline_cost,
    near_success_pct,
    ratio,
    success_pct,
)

REPORTED = ("held_out", "alien")
"""The sets whose figures are in the line of JSON."""

COLUMNS = {
    "in 5 %": 8,
    "in 10 %": 9,
    "cost*": 8,
    "as spent*": 11,
    "spent": 7,
    "lies %": 8,
    "time/opt": 10,
    "trials": 8,
    "wall s": 8,
}
HEAD = " " * 38 + "".join(f"{name:>{width}}" for name, width in COLUMNS.items())
LEGEND = (
    "* a success (truly feasible, at most 5 % slower than the reference optimum) costs, in trainings of the\n"
    "  optimum: 'cost': failures the full budget, successes until the answer was right and stayed so;\n"
    "  'as spent': every run what it spent until it ended. 'spent' is a run's mean."
)


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
    by_arm = grouped(outcomes, lambda o: o.arm)
    for arm, runs in by_arm.items():
        lines.append(f"{arm}")
        lines += [_line(f"  {name}", group) for name, group in grouped(runs, lambda o: o.instance).items()]
    lines += ["", f"{'all of ' + set_name:<38}{HEAD[38:]}   in 5 % and cost with 95 % intervals"]
    for arm, runs in by_arm.items():
        shown = f"{interval(runs, success_pct)}, {interval(runs, cost_of_success)}"
        best = at_best_budget(runs) if runs[0].answers else []
        at_best = f"; as spent at its best budget {interval(best, cost_as_spent)}" if best else ""
        lines.append(f"{_line(arm, runs)}   {shown}{at_best}")
        lines.append(f"    of what was spent: {_shares(runs)}")
    lines.append(LEGEND)
    return "\n".join(lines)


def _line(name: str, runs: Sequence[ArmRun]) -> str:
    ratios = [o.time_ratio for o in runs if o.time_ratio is not None and not o.is_lie]
    cells = (
        f"{success_pct(runs):.0f}",
        f"{near_success_pct(runs):.0f}",
        f"{cost_of_success(runs):.1f}",
        f"{cost_as_spent(runs):.1f}",
        f"{sum(o.cost for o in runs) / len(runs):.1f}",
        f"{lies_pct(runs):.1f}",
        f"{median(ratios) if ratios else float('nan'):.2f}",
        f"{median(o.num_trials for o in runs):.0f}",
        f"{median(o.wall_s for o in runs):.2f}",
    )
    widths = COLUMNS.values()
    return f"{name:<38}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _shares(runs: Sequence[ArmRun]) -> str:
    names = sorted({name for o in runs for name in o.shares})
    means = {name: sum(o.shares.get(name, 0.0) for o in runs) / len(runs) for name in names}
    return ", ".join(f"{name} {value:.1f}" for name, value in means.items() if value >= 0.05)


def summary(outcomes: Sequence[ArmRun], latencies: Mapping[str, Latency] | None = None) -> dict[str, object]:
    """Returns the line of JSON, with None for what was not run.

    The real stage's cost comes from real runs (benchmarks.search_real --save) if they were loaded, and from
    replayed ones otherwise; without either it is left out.
    """
    reported = grouped([o for o in outcomes if o.set_name in REPORTED], lambda o: o.arm)
    parallel = next((runs for arm, runs in reported.items() if arm.startswith("ours x")), [])
    line: dict[str, object] = {
        name: _of_set([o for o in outcomes if o.set_name == name]) for name in REPORTED
    }
    line |= {
        "four_worker_cost_ratio": _ratio(parallel, reported.get("ours", [])),
        "suggest_p95_ms": {name: found.p95_ms for name, found in latencies.items()} if latencies else None,
    }
    real, replayed = ([o for o in outcomes if o.set_name == name] for name in ("real", "table"))
    if measured := [o for o in real or replayed if o.arm == "ours"]:
        cost = interval(measured, median_baseline_cost).as_list()
        line["real_stage_cost_in_baseline_trainings"] = cost
    return line


def _of_set(outcomes: Sequence[ArmRun]) -> dict[str, object]:
    """Returns our figures on a set. The best peer, with its best margin, is the one of the least cost."""
    by_arm = grouped(outcomes, lambda o: o.arm)
    ours = by_arm.get("ours", [])
    peers = [runs for arm, runs in by_arm.items() if arm.split()[0] not in ("ours", "reference")]
    best = min(peers, key=cost_of_success) if peers else []
    figures = {
        "success_5pct": success_pct,
        "success_10pct": near_success_pct,
        "cost_of_success": cost_of_success,
        "lies_pct": lies_pct,
    }
    found: dict[str, object] = {
        name: interval(ours, figure).as_list() if ours else None for name, figure in figures.items()
    }
    return found | {
        "cost_ratio_vs_best_peer": _ratio(best, ours),
        "cost_ratio_vs_reference": _ratio(by_arm.get("reference", []), ours),
    }


def _ratio(others: Sequence[ArmRun], ours: Sequence[ArmRun]) -> list[float | None] | None:
    return ratio(others, ours).as_list() if others and ours else None
