"""Measures the CPU study exhaustively: the NRMSE of every group of configurations, the time of every one.

    python -m benchmarks.search_real.grid                 # hours; it trains only what the log lacks
    python -m benchmarks.search_real.grid --minutes 20    # as far as it gets in that time

The configurations of a group share batch_size, num_taus and accum_steps, and so their NRMSE: the stage
declares that its quality does not depend on micro_batch, and a test proves it. Every group gets a few seeds,
and groups near the target get more, until each is decided or has all of its seeds. Times are CPU seconds of
the process, the least of several epochs: what an undisturbed core takes. The last line is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # one thread, as a trial has; before numpy is imported

from benchmarks.search_real.truth import (  # noqa: E402
    MOST_SEEDS,
    Grid,
    Group,
    groups_of,
    key_of,
    markdown,
    trained_key,
    write_table,
)
from benchmarks.training.runs import Runs, time_epochs  # noqa: E402
from benchmarks.training.trial_log import Key, QualityRun, TrialLog, params_of, reference_run  # noqa: E402
from trainables.consistency.stage import ConsistencyStage  # noqa: E402
from tuner.core.study import StudySpec  # noqa: E402
from tuner.spec import load_study  # noqa: E402


@dataclass(frozen=True, kw_only=True)
class Laboratory:
    """Trains and times what the log does not have yet.

    Attributes:
        study: Study that says which stage is trained, and how long.
        log: Log that keeps the trials.
        runs: Runs of the stage in this process.
    """

    study: StudySpec
    log: TrialLog
    runs: Runs

    @classmethod
    def opened(cls, study: StudySpec, path: Path) -> Laboratory:
        """Opens the log, and trains an epoch to tell which problem it is."""
        runs = Runs(ConsistencyStage, study.stage.options)
        return cls(study=study, log=TrialLog(path, reference_run(runs)), runs=runs)

    def nrmse(self, group: Group, seed: int) -> float:
        """Returns the final NRMSE of a group with a seed, and trains it if the log does not have it."""
        num_epochs = self.study.stage.num_epochs
        key = trained_key(group)
        run = self.log.find(key, seed, num_epochs)
        if run is None:
            results = self.runs.train(params_of(key), seed=seed, num_epochs=num_epochs)
            run = QualityRun(key=key, seed=seed, nrmses=tuple(float(r["nrmse"]) for r in results))
            self.log.append(run)
        return run.nrmses[-1]

    def grid(self, groups: Collection[Group] | None = None) -> Grid:
        """Returns what the log knows about all groups, or about some of them."""
        limit = self.study.target.threshold(None)
        assert limit is not None  # the study's target is absolute
        everything = groups_of(self.study).items()
        kept = {group: seconds for group, seconds in everything if groups is None or group in groups}
        return Grid.of(kept, limit, self.log.runs, self.study.stage.num_epochs)

    def complete(
        self, most_seeds: int, until: float = math.inf, groups: Collection[Group] | None = None
    ) -> Grid:
        """Trains until every group is decided or has its seeds, or the monotonic clock reaches `until`."""
        while time.monotonic() < until and (wanted := self.grid(groups).wanted(most_seeds)):
            self.nrmse(*wanted)
        return self.grid(groups)

    def epoch_times_s(self, keys: Sequence[Key], rounds: int) -> dict[Key, float]:
        """Times the configurations in turn, and returns the least CPU seconds of an epoch of each."""
        params = [params_of(key) for key in keys]
        found = time_epochs(self.runs, params, num_epochs=self.study.stage.num_epochs, rounds=rounds)
        return {key: measured.cpu_s for key, measured in zip(keys, found, strict=True)}


class TimeLog:
    """Keeps the seconds per epoch of configurations in a file of JSON lines; the least of several counts.

    Args:
        path: File of the log. The first write creates it and its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.times_s: dict[Key, float] = {}
        for entry in map(json.loads, lines):
            self._take(tuple(entry["config"]), entry["epoch_time_s"])

    def append(self, times_s: Mapping[Key, float]) -> None:
        """Appends measurements to the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            for key, seconds in times_s.items():
                file.write(json.dumps({"config": list(key), "epoch_time_s": seconds}) + "\n")
                self._take(key, seconds)

    def _take(self, key: Key, seconds: float) -> None:
        self.times_s[key] = min(seconds, self.times_s.get(key, math.inf))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say where the grid is kept and how many seeds it gets."""
    add = parser.add_argument
    add("--log", type=Path, default=Path("runs/grid.jsonl"), metavar="FILE", help="trials are kept here")
    add(
        "--times",
        type=Path,
        default=Path("runs/grid-times.jsonl"),
        metavar="FILE",
        help="times are kept here",
    )
    add("--seeds", type=int, default=MOST_SEEDS, metavar="N", help="seeds of a group near the target")
    add("--rounds", type=int, default=2, metavar="N", help="timings of every configuration not timed yet")


def measured_times(laboratory: Laboratory, path: Path, keys: Iterable[Key], rounds: int) -> dict[Key, float]:
    """Returns the times in a file, after measuring those that it lacks; with 0 rounds it measures none."""
    log = TimeLog(path)
    missing = [key for key in keys if key not in log.times_s]
    if missing and rounds:
        log.append(laboratory.epoch_times_s(missing, rounds))
    return log.times_s


def main() -> None:
    """Trains and times what is missing, and prints the grid and a line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_real.grid", description="Measures the CPU study's grid."
    )
    add_arguments(parser)
    parser.add_argument("--minutes", type=float, default=math.inf, metavar="M", help="train no longer")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write a table for benchmarks.search")
    args = parser.parse_args()
    study = load_study("cpu.yaml")
    laboratory = Laboratory.opened(study, args.log)
    grid = laboratory.complete(args.seeds, time.monotonic() + 60 * args.minutes)
    times_s = measured_times(laboratory, args.times, map(key_of, study.lattice), args.rounds)
    laboratory.runs.stop()
    if args.table:
        print(f"{write_table(args.table, study, laboratory.log.runs, times_s)} rows in {args.table}")
    print(markdown(grid, times_s))
    known = [group for group in grid.groups if grid.num_seeds(group)]
    summary = {
        "num_groups": len(grid.groups),
        "num_measured": len(known),
        "num_decided": sum(map(grid.is_decided, known)),
        "num_feasible": sum(map(grid.is_feasible, known)),
        "num_trainings": sum(map(grid.num_seeds, known)),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
