"""Measures what a warm start saves: a study on an A100, then on an H100 with and without what it learned.

    python -m benchmarks.transfer --quick       # under a minute: shows that it works, no more
    python -m benchmarks.transfer               # minutes

All figures are simulated. Both cards have the same quality law. Cost is counted in trainings of the second
card's optimum. The first card's cost is not counted, because its study was wanted for its own sake. There are
two controls: a second card whose every NRMSE is 0.5 % higher (a small offset must not make the search lie),
and a prior from another draw of the law (which the search should not believe). The last line is one line of
JSON; a figure in it is [value, low, high] with a 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # the runs are parallel; before numpy is imported

from benchmarks.search.arms import Ours  # noqa: E402
from benchmarks.search.play import Task, play  # noqa: E402
from benchmarks.search.results import (  # noqa: E402
    ArmRun,
    cost_as_spent,
    grouped,
    interval,
    lies_pct,
    load,
    ratio,
    save,
    success_pct,
)
from tuner.core.warm_start import WarmStart, warm_start_run  # noqa: E402
from tuner.simulate import Instance, VirtualClock  # noqa: E402
from tuner.simulate.transfer import transfer_pair  # noqa: E402

CARD = "h100"
INSTANCES = (
    "dev-logarithmic-a100",
    "dev-middle-a100",
    "dev-plateau-a100-misleading",
    "held-interaction-a100",
    "held-sigmoid-a100-noisy",
    "alien-lookup-a100",
    "alien-ridge-a100",
)
QUICK_INSTANCES = ("dev-logarithmic-a100",)
OFFSET_PCT = 0.5
BUDGET_UNITS = 50.0
TRAININGS = 1000.0
"""So few trainings that a search ends by itself and not by its budget, of which nothing would be saved."""
ARMS = ("cold", "warm", "warm +0.5 %", "warm, other law")


@dataclass(frozen=True, slots=True)
class Pair:
    """One draw of a quality law, for a pair of cards.

    Attributes:
        instance: Name of the instance whose law is drawn.
        seed: Seed of the draw.
        arms: Arms that are played on the second card.
    """

    instance: str
    seed: int
    arms: Sequence[str]


class _Kept:
    """Makes arms, and keeps the last one so that it can be asked what it learned."""

    def __init__(self, warm_start: WarmStart | None = None) -> None:
        self._warm_start = warm_start
        self.arm: Ours | None = None

    def __call__(self, instance: Instance, clock: VirtualClock, num_workers: int) -> Ours:
        self.arm = Ours(instance, clock, num_workers, self._warm_start)
        return self.arm

    def learnt(self, instance: Instance) -> WarmStart:
        """Returns what the arm's run taught about NRMSE."""
        assert self.arm is not None  # it has been played
        found = [warm_start_run(record, instance.name) for record in self.arm.advisor.records]
        return WarmStart(
            source=instance.name,
            device=instance.device,
            num_epochs=instance.study.stage.num_epochs,
            runs=tuple(run for run in found if run is not None),
        )


def play_pair(pair: Pair) -> list[ArmRun]:
    """Plays the study on the first card, then each arm on the second, and returns the arms' outcomes."""
    there, here = transfer_pair(pair.instance, CARD, pair.seed, budget_units=BUDGET_UNITS)
    there, here = _ending_by_itself(there), _ending_by_itself(here)
    found = []
    warm_starts = {"warm": _learnt_on(there, pair), "cold": None}
    for arm in pair.arms:
        instance, warm_start = here, warm_starts["cold" if arm == "cold" else "warm"]
        if arm == "warm +0.5 %":
            instance = _ending_by_itself(
                transfer_pair(pair.instance, CARD, pair.seed, offset_pct=OFFSET_PCT)[1]
            )
        elif arm == "warm, other law":
            other = transfer_pair(pair.instance, CARD, pair.seed + 1000)[0]
            warm_start = _learnt_on(_ending_by_itself(other), pair)
        found += play(_task(pair, arm), _Kept(warm_start), instance)
    return found


def _ending_by_itself(instance: Instance) -> Instance:
    study = instance.study
    return replace(instance, study=replace(study, decision=replace(study.decision, trainings=TRAININGS)))


def _learnt_on(instance: Instance, pair: Pair) -> WarmStart:
    kept = _Kept()
    play(_task(pair, "first card"), kept, instance)
    return kept.learnt(instance)


def _task(pair: Pair, arm: str) -> Task:
    return Task(
        arm=arm, set_name="transfer", instance=pair.instance, seed=pair.seed, budget_units=BUDGET_UNITS
    )


def main() -> None:
    """Plays the pairs that were asked for, and prints a table and the line of JSON."""
    args = _arguments()
    pairs = [
        Pair(name, seed, args.arms)
        for seed in range(args.first_seed, args.first_seed + args.seeds)
        for name in args.instances
    ]
    outcomes = [outcome for path in args.load for outcome in load(path)]
    with multiprocessing.get_context("fork").Pool(args.processes) as pool:
        for batch in pool.imap_unordered(play_pair, pairs):
            outcomes += batch
            if args.save:
                save(args.save, batch)
    outcomes.sort(key=lambda o: (ARMS.index(o.arm), o.instance, o.seed))
    for outcome in outcomes:
        if outcome.error:
            print(f"{outcome.arm} on {outcome.instance}, seed {outcome.seed}:\n{outcome.error}")
    print(_table(outcomes))
    print(json.dumps(summary(outcomes)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="one law, one seed, cold and warm")
    add("--instances", nargs="*", default=list(INSTANCES), metavar="NAME", help="whose laws to draw")
    add("--seeds", type=int, default=10, metavar="N", help="draws of each law")
    add("--first-seed", type=int, default=0, metavar="N", help="start at another seed")
    add("--arms", nargs="+", default=list(ARMS), choices=ARMS, help="what to play on the second card")
    add("--save", type=Path, metavar="FILE", help="append every outcome to this file of JSON lines")
    add("--load", type=Path, nargs="+", default=[], metavar="FILE", help="join outcomes saved before")
    add("--processes", type=int, default=os.cpu_count(), metavar="N", help="runs at once, here")
    args = parser.parse_args()
    if args.quick:
        args.instances, args.seeds, args.arms = QUICK_INSTANCES, 1, ["cold", "warm"]
    return args


def _table(outcomes: Sequence[ArmRun]) -> str:
    lines = [
        f"Simulated: A100, then {CARD.upper()} with the same quality law; cost in trainings of its optimum",
        f"{'':<34}{'runs':>6}{'success %':>11}{'cost':>8}{'of a success':>14}{'lies %':>8}",
    ]
    for arm, runs in grouped(outcomes, lambda o: o.arm).items():
        lines.append(arm)
        lines += [_line(f"  {name}", group) for name, group in grouped(runs, lambda o: o.instance).items()]
        lines.append(_line("  all", runs))
    return "\n".join(lines)


def _line(name: str, runs: Sequence[ArmRun]) -> str:
    mean_cost = sum(o.cost for o in runs) / len(runs)
    return (
        f"{name:<34}{len(runs):>6}{success_pct(runs):>11.0f}{mean_cost:>8.1f}{cost_as_spent(runs):>14.1f}"
        f"{lies_pct(runs):>8.1f}"
    )


def summary(outcomes: Sequence[ArmRun]) -> dict[str, object]:
    """Returns the line of JSON, with None for what was not played. All figures are simulated."""
    by_arm = grouped(outcomes, lambda o: o.arm)
    cold, warm = by_arm.get("cold"), by_arm.get("warm")
    return {
        "transfer_cost_ratio": ratio(cold, warm, cost_as_spent).as_list() if cold and warm else None,
        "cold_cost": interval(cold, cost_as_spent).as_list() if cold else None,
        "warm_cost": interval(warm, cost_as_spent).as_list() if warm else None,
        "lies_pct": {arm: interval(runs, lies_pct).as_list() for arm, runs in by_arm.items()},
    }


if __name__ == "__main__":
    main()
