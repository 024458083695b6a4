"""What a killed run leaves in the temporary folder goes at the next start."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.processes import ROOT, TUNER, descendants, is_alive, wait_until, write_study

SCRIPT = """
import json, time
for epoch in (1, 2):
    time.sleep({seconds})
    print(json.dumps({{"nrmse": 0.09 - 0.01 * epoch}}), flush=True)
"""


@pytest.fixture
def root():
    """A temporary folder with a path short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp", ignore_cleanup_errors=True) as short:
        yield Path(short)


def study(folder, seconds):
    """A study of a script, each of whose epochs takes some seconds."""
    script = folder / "train.py"
    script.write_text(SCRIPT.format(seconds=seconds))
    stage = {
        "class": "trainables.command.stage:CommandStage",
        "options": {"command": ["{python}", str(script), "{batch_size}"]},
        "num_epochs": 2,
        "num_samples": 100,
    }
    two = {"values": [1, 2]}
    changes = {
        "stage": stage,
        "parameters": {"batch_size": two, "micro_batch": {"values": [1]}, "num_taus": {"values": [2]}},
        "baseline": {"batch_size": 1, "micro_batch": 1, "num_taus": 2},
        "guide": None,
        "target": "nrmse < 0.01",  # which nothing meets, however disturbed the times are
        "budget": {"trials": 2, "hours": 1},
        "search": {"sampler": "random"},
    }
    return write_study(folder, **changes)


def start(folder, root, seconds):
    command = [*TUNER, "--space", str(study(folder, seconds)), "--runs-dir", str(folder / "runs")]
    with (folder / "output.txt").open("w") as file:
        environment = os.environ | {"TMPDIR": str(root)}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)


def test_what_a_killed_run_leaves_goes_at_the_next_start(root, tmp_path):
    """Ray's folder, Ray Tune's, and the one of the script that was running."""
    run = start(tmp_path, root, seconds=60)
    wait_until(lambda: run.poll() is not None or list(root.glob("distill-trial-*/trial.json")))
    assert {path.name.rpartition("-")[0] for path in root.iterdir()} == {"dt", "distill-trial"}
    started = descendants(run.pid)
    for pid in (run.pid, *started):  # Ray's agents would end half a minute later
        os.kill(pid, signal.SIGKILL)
    run.wait()
    wait_until(lambda: not any(map(is_alive, started)))
    left_over = list(root.glob("dt-*"))
    assert len(left_over) == 2
    again = start(tmp_path, root, seconds=0)
    wait_until(lambda: again.poll() is not None or not any(path.exists() for path in left_over))
    assert again.wait(timeout=60) == 1, (tmp_path / "output.txt").read_text()
    assert list(root.iterdir()) == []
