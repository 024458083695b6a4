"""The driver's own death is never counted against the trial that ran."""

import json
import os
import signal
import subprocess

import pytest
import ray

from tests.processes import ROOT, TUNER, wait_until, write_study
from tests.replay import records_of
from tests.studies import study_dict
from tuner.core.trial import Purpose, TrialState
from tuner.runs.journal import read_journal

pytestmark = pytest.mark.usefixtures("ray_resources")

KILLS = (
    ("ask", signal.SIGHUP),
    ("ask", signal.SIGKILL),
    ("ask", signal.SIGKILL),
    ("observe", signal.SIGKILL),
)
"""Once an event of this kind was written, this signal is sent; SIGHUP when a terminal goes away."""


@pytest.mark.timeout(400)
def test_a_driver_that_dies_before_and_after_the_first_report_leaves_a_baseline_that_is_measured(tmp_path):
    """Every one of them would end the run if it counted: a lost trial is not asked again."""
    study = write_study(
        tmp_path,
        stage=study_dict()["stage"] | {"options": {"epoch_time_s": 0.5}, "num_epochs": 3},
        budget={"trials": 1, "hours": 1},
        resources={"retries": 0},
    )
    last = tmp_path / "runs/last"
    words = ["--space", str(study), "--runs-dir", str(tmp_path / "runs")]
    for event, signum in KILLS:
        expected = -signal.SIGKILL if signum == signal.SIGKILL else 143
        assert kill_driver(words, last / "journal.jsonl", event, signum) == expected
        if signum == signal.SIGHUP:
            assert json.loads((last / "result.json").read_text())["sentence"].startswith(
                "Interrupted by SIGHUP"
            )
        words = ["--resume", str(last)]
    more = {"cwd": ROOT, "env": environment(), "capture_output": True, "text": True}
    done = subprocess.run(driver(words), **more, check=False)
    assert done.returncode == 1, done.stderr  # nothing but the baseline was tried
    records = records_of(read_journal(last / "journal.jsonl"))
    states = [record.state for record in records if record.purpose is Purpose.BASELINE]
    assert states == [TrialState.DISCARDED] * len(KILLS) + [TrialState.COMPLETE]


def driver(words):
    """The command line, on the Ray of this process, which costs no start."""
    return [*TUNER, *words, "--address", ray.get_runtime_context().gcs_address]


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT)}


def kill_driver(words, journal, event, signum):
    """Kills the driver once it has written another event of a kind; returns its exit code."""
    before = count(journal, event)
    with journal.parent.parent.parent.joinpath("output.txt").open("a") as output:
        process = subprocess.Popen(driver(words), cwd=ROOT, env=environment(), stdout=output, stderr=output)
        wait_until(lambda: count(journal, event) > before)
        process.send_signal(signum)
        return process.wait(timeout=60)


def count(journal, event):
    return journal.read_text().count(f'"event":"{event}"') if journal.exists() else 0
