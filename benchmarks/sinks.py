"""What writing a run to Optuna, TensorBoard, W&B and Parquet costs: wall-clock of 40 short real trials.

    python -m benchmarks.sinks                # 5 repeats of 40 trials, about 8 minutes on 2 cores
    python -m benchmarks.sinks --arms wandb   # only without any, and with W&B
    python -m benchmarks.sinks --quick        # 1 repeat of 6 trials, under a minute

Whole processes of the command line on a private Ray, with the stage of docs/examples/own_stage.py, which
really trains, .4 s a trial: without any of them, with W&B offline alone, and with all four (the defaults,
W&B offline). They take turns within a repeat, in another order each time, so that a change of the machine's
speed hits them alike. All runs have the same trials in the same order, so of each trial, from its ask to
the next one's, and of the end, the median over the repeats counts: a burst of somebody else's work hits
single trials. What these medians add up to, against the run without, is the overhead; its interval is the
95 % bootstrap one over repeats. The CPU seconds of the driver are beside it, without those of Ray's
processes and of W&B's, which it does not wait for.

Timed are the first 40 trials, from the first ask to the last of their ends, and what comes after the
journal's last event: report, flush of the sinks, end of Ray and of the process. Ray's start is left out,
since it would hide much; so are the further seeds that a disturbed machine may ask for at the end.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from tuner.records.journal import read_journal

Floats = npt.NDArray[np.float64]
ROOT = Path(__file__).parents[1]
NONE = {"optuna": "off", "tensorboard": False, "wandb": "off", "parquet": False}
ARMS: dict[str, dict[str, Any]] = {
    "none": NONE,
    "wandb": NONE | {"wandb": "offline"},
    "all": {"wandb": "offline"},
}


def main() -> None:
    """Times the runs and prints a line each, a table and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1 repeat of 6 trials")
    parser.add_argument("--repeats", type=int, default=5)
    others = [name for name in ARMS if name != "none"]
    parser.add_argument("--arms", nargs="+", choices=others, default=others, help="beside the run without")
    args = parser.parse_args()
    repeats, trials = (1, 6) if args.quick else (args.repeats, 40)
    print(f"{trials} trials a run, {repeats} repeats, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    names = ["none", *args.arms]
    runs: list[dict[str, Timed]] = []
    for repeat in range(repeats):
        first = repeat % len(names)
        order = names[first:] + names[:first]
        runs.append({name: timed(ARMS[name], trials) for name in order})
        shown = ", ".join(f"{name} {runs[-1][name]}" for name in names)
        print(f"repeat {repeat}: {shown}, load {os.getloadavg()[0]:.2f}", flush=True)
    summary: dict[str, Any] = {}
    for name in args.arms:
        parts, others = (np.array([run[arm].parts_s for run in runs]) for arm in (name, "none"))
        summary[f"{name}_overhead_pct"] = round(overhead_pct(parts, others), 2)
        summary[f"{name}_overhead_pct_interval"] = [round(bound, 2) for bound in interval(parts, others)]
    summary["driver_cpu_s"] = {
        name: round(statistics.median(run[name].cpu_s for run in runs), 2) for name in names
    }
    without = statistics.median(sum(run["none"].parts_s) for run in runs)
    print(json.dumps(summary | {"seconds_without": round(without, 2), "trials": trials, "repeats": repeats}))


@dataclass(frozen=True, slots=True)
class Timed:
    """A run.

    Attributes:
        parts_s: Seconds of its first trials, each from its ask to the next one's, and of its end.
        cpu_s: CPU seconds of its driver.
    """

    parts_s: Sequence[float]
    cpu_s: float

    def __str__(self) -> str:
        return f"{sum(self.parts_s):.2f} s (end {self.parts_s[-1]:.2f}, CPU {self.cpu_s:.2f})"


def overhead_pct(parts: Floats, others: Floats) -> float:
    """Of two arms, each (repeats, parts): what the medians over the repeats add up to, in percent more."""
    return float(100 * (np.median(parts, axis=0).sum() / np.median(others, axis=0).sum() - 1))


def interval(parts: Floats, others: Floats) -> tuple[float, float]:
    """95 % bootstrap interval of the overhead (percentiles), repeats drawn as pairs."""
    rng = np.random.default_rng(0)
    drawn = (rng.integers(len(parts), size=len(parts)) for _ in range(2_000))
    low, high = np.percentile([overhead_pct(parts[rows], others[rows]) for rows in drawn], [2.5, 97.5])
    return float(low), float(high)


def timed(outputs: dict[str, Any], trials: int) -> Timed:
    """Runs and times one arm."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        study = folder / "sinks.yaml"
        study.write_text(yaml.safe_dump(study_of(outputs, trials), sort_keys=False))
        path = os.pathsep.join([str(ROOT), str(ROOT / "docs/examples")])
        options = ["--space", str(study), "--runs-dir", str(folder / "runs")]
        before_s = cpu_seconds()
        done = subprocess.run(  # noqa: S603  # this interpreter, with options made here
            [sys.executable, "-m", "tuner.run", *options],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        ended, cpu_s = time.time(), cpu_seconds() - before_s
        assert done.returncode in (0, 1), done.stdout + done.stderr
        assert " is off from here on" not in done.stdout, done.stdout
        journal = folder / "runs" / "last" / "journal.jsonl"
        events = list(read_journal(journal))
        check_written(journal.parent, outputs, sum(event["event"] == "tell" for event in events))
        after_s = ended - journal.stat().st_mtime
    asked_s = [event["elapsed_s"] for event in events if event["event"] == "ask"][:trials]
    told_s = [event["elapsed_s"] for event in events if event["event"] == "tell"]
    return Timed([*np.diff([*asked_s, told_s[trials - 1]]).tolist(), after_s], cpu_s)


def cpu_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check_written(run: Path, outputs: dict[str, Any], num_trials: int) -> None:
    """A sink that wrote nothing would cost nothing."""
    if outputs["wandb"] == "offline":
        assert len(list((run / "wandb").glob("offline-run-*/*.wandb"))) == num_trials + 1
    assert (run / "optuna.sqlite3").exists() == ("optuna" not in outputs)


def study_of(outputs: dict[str, Any], trials: int) -> dict[str, Any]:
    """The example's study with an order of trials that no timing changes."""
    study = yaml.safe_load((ROOT / "docs/examples/own_stage.yaml").read_text())
    changes = {
        "budget": {"trials": trials, "hours": 1},
        "certificate": {"pairs": 0},
        "search": {"sampler": "random"},
        "scheduler": {"rule": "none"},
        "outputs": outputs,
    }
    return dict(study) | changes


if __name__ == "__main__":
    main()
