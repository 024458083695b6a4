"""A whole run with its sinks: what breaks one of them changes nothing of the run.

That every sink has every trial of an undisturbed one: tests/sinks/test_follow.py.
"""

import shutil
import subprocess
import sys
import time

import pytest

from tests.processes import ROOT, TUNER, call_tuner
from tests.studies import NO_SINKS, make_study
from tuner.report.conclusion import sentence
from tuner.runs import follower
from tuner.simulate.session import run_simulated, simulated

FULL_DISK = """
import os, pathlib, shutil, subprocess, sys
disk, run, command = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
for name in ("journal.jsonl", "study.yaml"):
    shutil.copy(run / name, disk)
free = os.statvfs(disk)
(disk / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize - 12 * 1024))
sys.exit(subprocess.run(command).returncode)
"""


@pytest.fixture(autouse=True)
def _nobody_says_that_he_waits(monkeypatch):
    """A simulated run is over before the process that follows it has loaded anything."""
    monkeypatch.setattr(follower, "WAIT_S", 120.0)
    monkeypatch.setattr(follower, "PATIENCE_S", 120.0)


def run(folder, **outputs):
    study = simulated(make_study(outputs=outputs, budget={"trials": 3, "hours": 1}))
    said = []
    result, folder, _ = run_simulated(study, folder, lambda *_: None, say=said.append)
    return result, folder, said


def outcome(result):
    return [(r.trial_id, r.state, r.config) for r in result.records], sentence(result), result.admitted


@pytest.fixture(scope="module")
def unwritten(tmp_path_factory):
    """A run that is written nowhere else."""
    return run(tmp_path_factory.mktemp("without"), **NO_SINKS)


def breaks(monkeypatch, folder, module, content):
    """Puts a module of that content before the installed one, in this process and in those it starts."""
    (folder / f"{module}.py").write_text(content)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, module, raising=False)


def test_sinks_that_break_are_a_line_each_and_the_run_is_the_same(unwritten, tmp_path, monkeypatch):
    breaks(monkeypatch, tmp_path, "wandb", "raise SystemExit('no')")
    breaks(monkeypatch, tmp_path, "psycopg", "raise ModuleNotFoundError('not here', name='psycopg')")
    database = "postgresql+psycopg://me@host/db"
    result, folder, said = run(tmp_path / "with", wandb="offline", optuna=database, tensorboard=False)
    assert said == [
        "optuna is off from here on, and the run continues without it: outputs.optuna: the driver of "
        "postgresql+psycopg does not load (not here). Fix: pip install 'psycopg[binary]'.",
        "wandb is off from here on, and the run continues without it: SystemExit: no",
    ]
    assert outcome(result) == outcome(unwritten[0])
    for name in ("optuna", "wandb"):
        assert (folder / "errors" / f"output-{name}.txt").is_file()
    assert (folder / "trials.parquet").is_file()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("raise ImportError", "wandb is not installed. Fix: pip install 'distill-tuner[wandb]'."),
        ("raise RuntimeError('broken installation')", "RuntimeError: broken installation"),
    ],
)
def test_a_wandb_that_is_absent_or_raises_is_one_line(content, line, unwritten, tmp_path, monkeypatch):
    breaks(monkeypatch, tmp_path, "wandb", content)
    folder = shutil.copytree(unwritten[1], tmp_path / "run")
    done = call_tuner("follow", folder, "--to", "optuna,wandb")
    assert (done.returncode, done.stdout) == (1, f"{folder}: written to optuna\n")
    assert done.stderr == f"wandb is off from here on, and the run continues without it: {line}\n"
    assert (folder / "errors" / "output-wandb.txt").is_file()
    assert (folder / "optuna.sqlite3").is_file()


def test_a_database_that_is_not_there_is_one_line(unwritten, tmp_path):
    folder = shutil.copytree(unwritten[1], tmp_path / "run")
    study = (folder / "study.yaml").read_text()
    assert "optuna: 'off'" in study
    (folder / "study.yaml").write_text(study.replace("optuna: 'off'", "optuna: sqlite:////nowhere/at/all.db"))
    done = call_tuner("follow", folder, "--to", "optuna,tensorboard,parquet")
    (line,) = done.stderr.splitlines()
    assert line.startswith("optuna is off from here on")
    assert (folder / "trials.parquet").is_file()


def test_a_full_disk_is_a_line_a_sink_and_ends_soon(unwritten, tmp_path):
    unshare = ["unshare", "--map-root-user", "--mount"]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a mount namespace of its own, for a small disk")
    follow = [*TUNER, "follow", tmp_path, "--to", "optuna,tensorboard,parquet,wandb"]
    begun = time.monotonic()
    done = subprocess.run(
        [*unshare, sys.executable, "-c", FULL_DISK, tmp_path, unwritten[1], *follow],
        cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    words = " is off from here on, and the run continues without it"
    off = [line for line in done.stderr.splitlines() if words in line]
    assert {"optuna", "tensorboard"} <= {line.split()[0] for line in off}
    assert time.monotonic() - begun < 60


def test_outputs_are_no_part_of_what_a_study_is():
    one, two = make_study(), make_study(outputs={"parquet": False, "wandb": "off"})
    assert one.study_hash() == two.study_hash()
    assert one == two
