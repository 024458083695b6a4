"""Measures what writing a run to Optuna, TensorBoard, W&B and Parquet costs, over 40 short real trials.

    python -m benchmarks.sinks                # 5 repeats of 40 trials, about 8 minutes on 2 cores
    python -m benchmarks.sinks --arms wandb   # only without any, and with W&B
    python -m benchmarks.sinks --trials 12    # shorter runs
    python -m benchmarks.sinks --quick        # 1 repeat of 2 trials on little data, under a minute

The script runs whole processes of the command line on a private Ray, with the stage of
docs/examples/own_stage.py, which really trains, 0.4 s a trial. One run has no sink, one has W&B offline
alone, and one has all four (the defaults, W&B offline). The runs take turns within a repeat, in another order
each time, so that a change of the machine's speed affects them alike. All runs have the same trials in the
same order. So the script takes the median over the repeats for each trial, from its ask to the next one's,
and for the end: other load on the machine comes in bursts that affect single trials. The overhead is the sum
of these medians against the sum of the run without sinks, with a 95 % bootstrap interval over repeats. The
CPU seconds of the driver are shown beside it, without those of Ray's processes and of the process that
follows the run.

The script times the trials of the budget, from the first ask to the last of their ends, and what comes after
the journal's last event: report, flush of the sinks, end of Ray and of the process. It leaves out Ray's
start, which would hide much, and the further seeds that a disturbed machine may ask for at the end. The last
line is one line of JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bootstrap import Interval, bootstrap
from foundation.arrays import Floats
from tuner.runs.follower import alone
from tuner.runs.journal import read_journal
from tuner.runs.wanted import NAMES
from tuner.spec.document import read_document
from tuner.spec.yaml_format import write_yaml

ROOT = Path(__file__).parents[1]
QUICK_SAMPLES = 64
NONE = {"optuna": "off", "tensorboard": False, "wandb": "off", "parquet": False}
ARMS: dict[str, dict[str, Any]] = {
    "none": NONE,
    "wandb": NONE | {"wandb": "offline"},
    "all": {"wandb": "offline"},
}

MEASURED = """
import pathlib, resource, sys
from tuner.run import main
path = pathlib.Path(sys.argv.pop(1))
code = main()
used = resource.getrusage(resource.RUSAGE_SELF)
path.write_text(str(used.ru_utime + used.ru_stime))
sys.exit(code)
"""
"""A program that runs the command line, and then writes down the CPU seconds of its own process."""


def main() -> None:
    """Times the runs, and prints a line for each repeat and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1 repeat of 2 trials on little data")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--trials", type=int, default=40)
    others = [name for name in ARMS if name != "none"]
    parser.add_argument("--arms", nargs="+", choices=others, default=others, help="beside the run without")
    args = parser.parse_args()
    repeats, trials = (1, 2) if args.quick else (args.repeats, args.trials)
    samples = QUICK_SAMPLES if args.quick else None
    print(f"{trials} trials a run, {repeats} repeats, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    names = ["none", *args.arms]
    runs: list[dict[str, Timed]] = []
    for repeat in range(repeats):
        first = repeat % len(names)
        order = names[first:] + names[:first]
        runs.append({name: timed(ARMS[name], trials, samples) for name in order})
        shown = ", ".join(f"{name} {runs[-1][name]}" for name in names)
        print(f"repeat {repeat}: {shown}, load {os.getloadavg()[0]:.2f}", flush=True)
    print(json.dumps(summary(runs, args.arms) | {"trials": trials, "repeats": repeats}))


@dataclass(frozen=True, slots=True)
class Timed:
    """The times of a run.

    Attributes:
        parts_s: Seconds of its first trials, each from its ask to the next one's, and then of its end.
        cpu_s: CPU seconds of its driver.
    """

    parts_s: Sequence[float]
    cpu_s: float

    def __str__(self) -> str:
        return f"{sum(self.parts_s):.2f} s (end {self.parts_s[-1]:.2f}, CPU {self.cpu_s:.2f})"


def summary(runs: Sequence[Mapping[str, Timed]], arms: Sequence[str]) -> dict[str, Any]:
    """Returns the headline figures of arms beside the runs without sinks.

    Args:
        runs: The times of each repeat, by arm; `none` is one of them.
        arms: Names of the other arms.
    """
    found: dict[str, Any] = {}
    for name in arms:
        parts, others = (np.array([run[arm].parts_s for run in runs]) for arm in (name, "none"))
        overhead = interval(parts, others)
        found[f"{name}_overhead_pct"] = round(overhead.value, 2)
        found[f"{name}_overhead_pct_interval"] = [round(overhead.low, 2), round(overhead.high, 2)]
    found["driver_cpu_s"] = {
        name: round(statistics.median(run[name].cpu_s for run in runs), 2) for name in ("none", *arms)
    }
    without = statistics.median(sum(run["none"].parts_s) for run in runs)
    return found | {"seconds_without": round(without, 2)}


def overhead_pct(parts: Floats, others: Floats) -> float:
    """Returns the overhead of one arm over another in percent, from the sums of their medians over repeats.

    Args:
        parts: Seconds of the arm, shape (repeats, parts).
        others: Seconds of the arm without sinks, of the same shape.
    """
    return float(100 * (np.median(parts, axis=0).sum() / np.median(others, axis=0).sum() - 1))


def interval(parts: Floats, others: Floats) -> Interval:
    """Returns the overhead with its 95 % bootstrap interval, with repeats drawn as pairs."""

    def resampled(rng: np.random.Generator) -> float:
        rows = rng.integers(len(parts), size=len(parts))
        return overhead_pct(parts[rows], others[rows])

    return bootstrap(overhead_pct(parts, others), resampled)


def timed(outputs: dict[str, Any], trials: int, samples: int | None = None) -> Timed:
    """Runs and times one arm, whose trials have so many training samples; None: those of the example."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        study = folder / "sinks.yaml"
        study.write_text(write_yaml(study_of(outputs, trials, samples)))
        path = os.pathsep.join([str(ROOT), str(ROOT / "docs/examples")])
        options = ["--space", str(study), "--runs-dir", str(folder / "runs")]
        cpu = folder / "cpu"
        done = subprocess.run(  # noqa: S603  # this interpreter, with options made here
            [sys.executable, "-c", MEASURED, str(cpu), *options],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        ended = time.time()
        # 1: it recommends nothing, which costs as much. A failure ends with 2; a crash writes no `cpu`.
        assert done.returncode in (0, 1), done.stdout + done.stderr
        assert " is off from here on" not in done.stdout, done.stdout
        journal = folder / "runs" / "last" / "journal.jsonl"
        cpu_s = float(cpu.read_text())
        events = list(read_journal(journal))
        with alone(journal.parent, NAMES, lambda: None):  # what was left working in the background
            pass
        check_written(journal.parent, outputs, sum(event["event"] == "tell" for event in events))
        after_s = ended - journal.stat().st_mtime
    asked_s = [event["elapsed_s"] for event in events if event["event"] == "ask"][:trials]
    told_s = [event["elapsed_s"] for event in events if event["event"] == "tell"]
    return Timed([*np.diff([*asked_s, told_s[trials - 1]]).tolist(), after_s], cpu_s)


def check_written(run: Path, outputs: dict[str, Any], num_trials: int) -> None:
    """Checks that the sinks wrote their files, because a sink that writes nothing costs nothing."""
    if outputs["wandb"] == "offline":
        assert len(list((run / "wandb").glob("offline-run-*/*.wandb"))) == num_trials + 1
    assert (run / "optuna.sqlite3").exists() == ("optuna" not in outputs)


def study_of(outputs: dict[str, Any], trials: int, samples: int | None) -> dict[str, Any]:
    """Returns the example's study, changed so that no timing affects the order of trials."""
    path = ROOT / "docs/examples/own_stage.yaml"
    study = read_document(path.read_bytes(), path.name).value
    changes: dict[str, Any] = {
        "budget": {"trials": trials, "hours": 1},
        "certificate": {"pairs": 0},
        "search": {"sampler": "random"},
        "scheduler": {"rule": "none"},
        "outputs": outputs,
    }
    if samples is not None:
        changes["stage"] = study["stage"] | {"num_samples": samples}
    return dict(study) | changes


if __name__ == "__main__":
    main()
