"""Compares searches on simulated studies: how often they succeed, what a success costs, how often they lie.

Every arm gets the same instances, seeds and budgets.

    python -m benchmarks.search --quick                           # minutes: shows that it works, no more
    python -m benchmarks.search --arms ours --sets develop        # what a search is developed on
    python -m benchmarks.search                                   # what is reported, hours

All figures are simulated, except those of real runs that were loaded. The last line is one line of JSON. A
figure in it is [value, low, high] with a 95 % bootstrap interval, or null if it was not measured.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # the runs are parallel; before numpy is imported

from benchmarks.search.arms import arms  # noqa: E402
from benchmarks.search.latency import LOADS, measure  # noqa: E402
from benchmarks.search.peers import quiet  # noqa: E402
from benchmarks.search.play import BUDGET_UNITS, Task, play  # noqa: E402
from benchmarks.search.public import names as public_names  # noqa: E402
from benchmarks.search.reference import FOLDER_VARIABLE, folder  # noqa: E402
from benchmarks.search.results import ArmRun, grouped, load, save  # noqa: E402
from benchmarks.search.tables import REPORTED, summary, table  # noqa: E402
from tuner.errors import TunerError  # noqa: E402
from tuner.simulate import SETS  # noqa: E402

QUICK_ARMS = ("ours", "heuristic", "reference")
QUICK_INSTANCES = (
    *("unseen-saturation-rtx4090", "unseen-critical-h100-outliers"),
    *("other-voronoi-a100", "other-divisors-h100"),
)
QUICK_SEEDS = 2
QUICK_LATENCY = ("100",)
LATENCY = ("100", "1000", "5000", "1000_of_12816_points")


def main() -> None:
    """Runs the searches that were asked for, and prints the tables and the line of JSON."""
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
        of_set = [o for o in outcomes if o.set_name == set_name]
        print(
            table(set_name, of_set, num_seeds=args.seeds, num_workers=args.workers, budget_units=args.budget)
        )
    latencies = {}
    for name in args.latency:
        latencies[name] = measure(LOADS[name])
        print(f"suggestion after {name}: {latencies[name]}", flush=True)
    print(json.dumps(summary(outcomes, latencies)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="two instances of each reported set, two seeds, three arms")
    add("--arms", nargs="*", metavar="ARM", help="all that are there, if not given")
    add(
        "--sets",
        nargs="+",
        default=list(REPORTED),
        choices=list(sets()),
        help="or held_out and alien",
    )
    add("--instances", nargs="+", metavar="NAME", help="only these")
    add("--seeds", type=int, default=10, metavar="N", help="seeds 0 to N-1")
    add("--first-seed", type=int, default=0, metavar="N", help="start at another seed")
    add(
        "--budget",
        type=float,
        default=BUDGET_UNITS,
        metavar="UNITS",
        help="GPU-seconds, in trainings of the reference optimum",
    )
    add("--workers", type=int, default=1, metavar="N", help="trials at once")
    add("--against-workers", type=int, default=4, metavar="N", help="ours with N workers too, if reported")
    add("--reference", metavar="DIR", help=f"the folder of the reference search, or set {FOLDER_VARIABLE}")
    add(
        "--table",
        type=Path,
        metavar="FILE",
        help="a measured grid of the CPU stage (benchmarks.search_real.grid or benchmarks.calibration)",
    )
    add(
        "--latency",
        nargs="*",
        choices=list(LOADS),
        help="time suggestions after so many trials, of one worker",
    )
    add("--save", type=Path, metavar="FILE", help="append every outcome to this file of JSON lines")
    add("--resume", action="store_true", help="do not run again what the file of --save has")
    add("--load", type=Path, nargs="+", default=[], metavar="FILE", help="join outcomes saved before")
    add("--processes", type=int, default=os.cpu_count(), metavar="N", help="runs at once, here")
    args = parser.parse_args()
    _settle(args, parser)
    return args


def _settle(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Fills in what was not given, and ends with a message if an arm or the reference is not there."""
    if args.reference is not None:
        os.environ[FOLDER_VARIABLE] = args.reference
    try:
        there = folder()
    except TunerError as error:
        parser.error(str(error))
    known = arms()
    is_whole = args.arms is None and not args.instances
    if args.quick:
        args.arms = [arm for arm in QUICK_ARMS if arm in known]
        args.seeds, args.sets, args.instances = QUICK_SEEDS, list(REPORTED), QUICK_INSTANCES
    elif args.arms is None:
        args.arms = list(known)
    if args.latency is None:
        args.latency = QUICK_LATENCY if args.quick else LATENCY if is_whole else ()
    if unknown := [name for name in args.arms if name not in known]:
        parser.error(f"no arm is called {', '.join(unknown)}; there are {', '.join(known)}")
    if there is None and (args.quick or is_whole):
        print(
            f"No reference search is compared with: give its folder with --reference or {FOLDER_VARIABLE}.",
            file=sys.stderr,
        )


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


def without(tasks: Sequence[Task], saved: Sequence[ArmRun]) -> list[Task]:
    """Returns the tasks that have no saved outcome. It assumes that the saved ones had the same budget."""
    done = {(o.arm.split(" -")[0], o.set_name, o.instance, o.seed) for o in saved}
    return [task for task in tasks if (task.label, task.set_name, task.instance, task.seed) not in done]


def _workers(arm: str, set_name: str, args: argparse.Namespace) -> list[int]:
    """Returns the numbers of workers an arm plays with; ours has two of them on the reported sets."""
    is_compared = arm == "ours" and set_name in REPORTED and args.against_workers != args.workers
    return [args.workers, args.against_workers] if is_compared else [args.workers]


def sets() -> dict[str, list[str]]:
    """Returns the instances of every set; public ones only if their package is installed."""
    return {name: list(names) for name, names in SETS.items()} | {"public": public_names()}


def _play(task: Task) -> list[ArmRun]:
    return play(task, arms()[task.arm])


if __name__ == "__main__":
    main()
