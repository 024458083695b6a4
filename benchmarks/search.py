"""Compares searches on simulated studies: success, expected cost of a success, lies.

Every arm has the same instances, seeds and budgets.

    python -m benchmarks.search --quick                         # under a minute: shows that it works, no more
    python -m benchmarks.search --arms ours --sets dev          # what a search is developed on
    python -m benchmarks.search                                 # everything, hours

All figures are simulated but those of real runs that were loaded. The last line is one line of JSON; a figure
in it is [value, low, high] with a 95 % bootstrap interval, null for what was not run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # the runs are parallel; before numpy is imported

from benchmarks.search_arms import arms  # noqa: E402
from benchmarks.search_latency import LOADS, Latency, measure  # noqa: E402
from benchmarks.search_peers import quiet  # noqa: E402
from benchmarks.search_play import Task, play  # noqa: E402
from benchmarks.search_public import names as public_names  # noqa: E402
from benchmarks.search_results import (  # noqa: E402
    Outcome,
    at_best_budget,
    cost_of_success,
    grouped,
    interval,
    lies_pct,
    load,
    median_baseline_cost,
    ratio,
    save,
    success_pct,
)
from tuner.simulate import SETS  # noqa: E402

QUICK_INSTANCES = ("dev-logarithmic-a100", "dev-plateau-rtx4090")


def main() -> None:
    """Runs what was asked for, prints tables and the line of JSON."""
    args = _arguments()
    outcomes = [outcome for path in args.load for outcome in load(path)]
    tasks = _tasks(args)
    if args.resume and args.save and args.save.exists():
        saved = load(args.save)
        outcomes += saved
        tasks = without(tasks, saved)
    with multiprocessing.get_context("fork").Pool(args.processes, quiet) as pool:
        for done, batch in enumerate(pool.imap_unordered(_play, tasks), start=1):
            outcomes += batch
            if args.save:
                save(args.save, batch)
            if batch[0].error:
                print(
                    f"{batch[0].arm} on {batch[0].instance}, seed {batch[0].seed}:\n{batch[0].error}",
                    file=sys.stderr,
                )
            if sys.stderr.isatty() or done % 50 == 0 or done == len(tasks):
                print(
                    f"{done} of {len(tasks)} runs", end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr
                )
    outcomes.sort(key=lambda o: (o.arm, o.instance, o.seed))
    for set_name in grouped(outcomes, lambda o: o.set_name):
        print(_table(set_name, [o for o in outcomes if o.set_name == set_name], args))
    latencies = {}
    for name in args.latency:
        latencies[name] = measure(LOADS[name])
        print(f"suggestion after {name}: {latencies[name]}", flush=True)
    print(json.dumps(summary(outcomes, latencies)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="two instances, two seeds, three arms")
    add("--arms", nargs="*", default=list(arms()), metavar="ARM", help=f"of {', '.join(arms())}")
    add(
        "--sets",
        nargs="+",
        default=list(sets()),
        choices=list(sets()),
        help="development, held-out, alien, public",
    )
    add("--instances", nargs="+", metavar="NAME", help="only these")
    add("--seeds", type=int, default=10, metavar="N", help="seeds 0 to N-1")
    add("--first-seed", type=int, default=0, metavar="N", help="start at another seed")
    add(
        "--budget", type=float, default=50.0, metavar="UNITS", help="GPU-seconds, in trainings of the optimum"
    )
    add("--workers", type=int, default=1, metavar="N", help="trials at once")
    add("--against-workers", type=int, default=4, metavar="N", help="ours with N workers too, but on dev")
    add(
        "--table",
        type=Path,
        metavar="FILE",
        help="a measured grid of the CPU stage (benchmarks/search_grid.py or calibration.py)",
    )
    add(
        "--latency",
        nargs="*",
        default=[],
        choices=list(LOADS),
        help="time suggestions after so many trials, of one worker",
    )
    add("--save", type=Path, metavar="FILE", help="append every outcome to this file of JSON lines")
    add("--resume", action="store_true", help="do not run again what the file of --save has")
    add("--load", type=Path, nargs="+", default=[], metavar="FILE", help="join outcomes saved before")
    add("--processes", type=int, default=os.cpu_count(), metavar="N", help="runs at once, here")
    args = parser.parse_args()
    if args.quick:
        args.arms, args.seeds, args.sets, args.instances = (
            ["ours", "random", "heuristic"],
            2,
            ["dev"],
            QUICK_INSTANCES,
        )
    unknown = [name for name in args.arms if name not in arms()]
    if unknown:
        parser.error(f"no arm is called {', '.join(unknown)}; there are {', '.join(arms())}")
    return args


def _tasks(args: argparse.Namespace) -> list[Task]:
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    named = [
        (set_name, name)
        for set_name in args.sets
        for name in sets()[set_name]
        if not args.instances or name in args.instances
    ]
    tasks = [
        Task(
            arm=arm,
            set_name=set_name,
            instance=name,
            seed=seed,
            budget_units=args.budget,
            num_workers=num_workers,
        )
        for set_name, name in named
        for seed in seeds
        for arm in args.arms
        for num_workers in _workers(arm, set_name, args)
    ]
    if args.table:
        tasks += [
            Task(arm=arm, set_name="table", instance=args.table.name, seed=seed, table=args.table)
            for seed in seeds
            for arm in args.arms
        ]
    return tasks


def without(tasks: Sequence[Task], saved: Sequence[Outcome]) -> list[Task]:
    """The tasks of which no outcome was saved; the budget is taken to have been the same."""
    done = {(o.arm.split(" -")[0], o.set_name, o.instance, o.seed) for o in saved}
    return [task for task in tasks if (task.label, task.set_name, task.instance, task.seed) not in done]


def _workers(arm: str, set_name: str, args: argparse.Namespace) -> list[int]:
    """The numbers of workers an arm plays with: ours, where it is reported on, with several as well."""
    is_compared = arm == "ours" and set_name != "dev" and args.against_workers != args.workers
    return [args.workers, args.against_workers] if is_compared else [args.workers]


def sets() -> dict[str, list[str]]:
    """The instances of every set; the public ones where their package is installed."""
    return {name: list(recipes) for name, recipes in SETS.items()} | {"public": public_names()}


def _play(task: Task) -> list[Outcome]:
    return play(task, arms()[task.arm])


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


def _table(set_name: str, outcomes: Sequence[Outcome], args: argparse.Namespace) -> str:
    """Each arm on each instance, then each arm on all."""
    how = "Real runs" if set_name == "real" else "Simulated"
    lines = [
        f"\n{how}, set {set_name}, {args.seeds} seeds, {args.workers} worker(s), budget {args.budget:g}",
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


def _line(name: str, runs: Sequence[Outcome]) -> str:
    ratios = [o.time_ratio for o in runs if o.time_ratio is not None and not o.is_lie]
    mean_cost = sum(o.cost for o in runs) / len(runs)
    return (
        f"{name:<34}{success_pct(runs):>10.0f}{mean_cost:>8.1f}{cost_of_success(runs):>14.1f}{lies_pct(runs):>8.1f}"
        f"{median(ratios) if ratios else float('nan'):>9.2f}{median(o.num_trials for o in runs):>8.0f}"
        f"{median(o.wall_s for o in runs):>8.2f}"
    )


def _shares(runs: Sequence[Outcome]) -> str:
    names = sorted({name for o in runs for name in o.shares})
    means = {name: sum(o.shares.get(name, 0.0) for o in runs) / len(runs) for name in names}
    return ", ".join(f"{name} {value:.1f}" for name, value in means.items() if value >= 0.05)


def summary(outcomes: Sequence[Outcome], latencies: Mapping[str, Latency] | None = None) -> dict[str, object]:
    """The line for programs; None for what was not run.

    The real stage's cost is that of real runs (benchmarks/search_real.py --save) where they were loaded, else
    of replayed ones. Ratios against peers take the peer and the margin with the least cost of a success at
    the common budget.
    """

    def of(set_name: str) -> dict[str, list[Outcome]]:
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


if __name__ == "__main__":
    main()
