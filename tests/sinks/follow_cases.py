"""Runs that are followed, as real processes, and everything that the sinks hold of one."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pyarrow.parquet as pq
from optuna.storages import RDBStorage
from sqlalchemy.pool import NullPool

from tests.processes import ROOT, descendants, title, wait_until
from tests.sinks.wandb_file import read_wandb
from tests.studies import NO_SINKS, study_dict

EVERYWHERE = {"wandb": "offline"}

DRIVER = """
import json, pathlib, sys, threading, time
from tests.studies import make_study
from tuner.simulate.session import run_simulated, simulated
study = simulated(make_study(**json.loads(sys.argv[2])))
wait_s = float(sys.argv[3])
runs = pathlib.Path(sys.argv[1])
threads = set()

def linger(*_):
    threads.update(threading.enumerate())
    time.sleep(0 if (runs / "hurry").exists() else wait_s)

run_simulated(study, runs, linger, say=lambda line: print(line, flush=True))
(runs / "driver.json").write_text(json.dumps({"threads": len(threads), "modules": sorted(sys.modules)}))
"""
"""A run in virtual time that takes its time, until a file named hurry is there.

At its end it writes down how many threads it ever had, and what it has imported.
"""


def small(outputs: dict[str, Any]) -> dict[str, Any]:
    """The changes that make a study of four configurations and eleven runs, written to `outputs` alone."""
    stage = study_dict()["stage"] | {"num_epochs": 3}
    return {"outputs": NO_SINKS | outputs, "stage": stage, "budget": {"trials": 4, "hours": 1}}


def start_run(runs: Path, outputs: dict[str, Any], wait_s: float = 0.0) -> subprocess.Popen[str]:
    """Starts a small run that stays at each change of a trial for so long."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(runs), json.dumps(small(outputs)), str(wait_s)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish_run(driver: subprocess.Popen[str]) -> list[str]:
    """Waits for it; the lines it said."""
    said, _ = driver.communicate(timeout=200)
    assert driver.returncode == 0
    return said.splitlines()


def follower_of(driver: subprocess.Popen[str]) -> int:
    """The process that follows a run."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [pid for pid in descendants(driver.pid) if " follow " in title(pid)]
        return bool(found)

    wait_until(is_there)
    (pid,) = found
    return pid


def num_shown(folder: Path) -> int:
    """Trials in the storage, for a bystander: whoever opens it with Optuna makes what is missing."""
    path = folder / "optuna.sqlite3"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM trials").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def optuna_trials(folder: Path) -> list[Any]:
    """Every trial of the storage, which somebody has made."""
    engine = {"poolclass": NullPool, "connect_args": {"timeout": 60}}
    storage = RDBStorage(f"sqlite:///{folder / 'optuna.sqlite3'}", engine_kwargs=engine)
    return optuna.load_study(study_name=None, storage=storage).trials


def rows(folder: Path) -> dict[str, Any]:
    """Returns what the sinks hold of a run, without names and times, by which two runs differ."""
    trials = [
        (t.number, t.state.name, t.values, t.params, t.user_attrs, t.system_attrs, t.intermediate_values)
        for t in optuna_trials(folder)
    ]
    runs = [read_wandb(path) for path in (folder / "wandb").glob("offline-run-*/*.wandb")]
    assert len({run["name"] for run in runs}) == len(runs), "none twice"
    return {
        "optuna": trials,
        "parquet": pq.read_table(folder / "trials.parquet").to_pylist(),
        "tensorboard": {path.name: scalars(path) for path in (folder / "tensorboard").iterdir()},
        "wandb": {run["name"]: _without_times(run) for run in runs},
    }


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar of a trial as TensorBoard reads it: step and value, as often as they were written."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def _without_times(run: dict[str, Any]) -> dict[str, Any]:
    """Returns the history of a W&B run without times; its provenance is another test's subject."""
    history = [
        {k: v for k, v in step.items() if not k.startswith("_") or k == "_step"} for step in run["history"]
    ]
    summary = {k: v for k, v in run["summary"].items() if not k.startswith("_")}
    config = {k: v for k, v in run["config"].items() if k != "_wandb"} if run["job_type"] != "report" else {}
    kept = {name: run[name] for name in ("job_type", "tags", "exit_code", "files")}
    return kept | {"history": history, "summary": summary, "config": config}
