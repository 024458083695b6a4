"""Ray dies under a run: what was finished is kept, nothing is blamed, and the run can go on."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes import ROOT, TUNER, descendants, is_alive, title, wait_until, write_study
from tests.replay import records_of
from tests.studies import NO_SINKS, study_dict
from tuner.core.trial import TrialState
from tuner.runs.journal import read_journal

STAGE = study_dict()["stage"] | {"options": {"epoch_time_s": 0.3}}
SHORT = {"target": "nrmse < 0.01", "budget": {"trials": 3, "hours": 1}, "search": {"sampler": "random"}}


class Run:
    """A run with a private Ray."""

    def __init__(self, folder: Path, **study):
        self.last, self._output = folder / "runs/last", folder / "output.txt"
        path = write_study(folder, **SHORT, **study)
        with self._output.open("w") as file:
            command = [*TUNER, "--space", str(path), "--runs-dir", str(folder / "runs")]
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)

    @property
    def pid(self):
        return self._process.pid

    @property
    def said(self):
        return self._output.read_text()

    @property
    def status(self):
        return json.loads((self.last / "result.json").read_text())["status"]

    def wait_for_reports(self, number):
        journal = self.last / "journal.jsonl"
        wait_until(lambda: journal.exists() and journal.read_text().count('"observe"') >= number)

    def exit_code(self):
        """Waits for the end, after which no process of it is left."""
        started = descendants(self.pid)
        code = self._process.wait(timeout=60)
        wait_until(lambda: not any(map(is_alive, started)), timeout_s=5)
        return code


def kill(pid, name):
    """Kills the one process of that name below another."""
    (found,) = (p for p in descendants(pid) if title(p).split()[0].endswith(f"/{name}"))
    os.kill(found, signal.SIGKILL)


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_killed_process_of_ray_ends_the_run_with_a_message_and_counts_against_no_trial(
    name, tmp_path, call_on_ray
):
    """Without its gcs_server Ray waits in C++ for a minute, hears no signal, and ends the process."""
    run = Run(tmp_path, stage=STAGE, outputs=NO_SINKS | {"optuna": "sqlite"})
    run.wait_for_reports(8)
    kill(run.pid, name)
    assert run.exit_code() == 2, run.said
    message = (
        f"error: Ray's process {name} died, so that no trial can run any more. Fix: continue with --resume"
    )
    assert run.said.count(message) == 1
    assert not {"Traceback", "(raylet)", "state-dump"} & set(run.said.split())
    assert run.status == "failed"
    assert {path.name for path in run.last.iterdir()} >= {"report.html", "summary.txt", "trials.csv"}
    before = records_of(read_journal(run.last / "journal.jsonl"))
    assert {r.state for r in before} <= {TrialState.COMPLETE, TrialState.DISCARDED}
    assert {r.reason for r in before if r.state is TrialState.DISCARDED} <= {f"Ray's {name} died"}

    resumed = call_on_ray("--resume", run.last)
    assert resumed.returncode == 1, resumed.stderr  # no configuration meets the target
    after = records_of(read_journal(run.last / "journal.jsonl"))
    assert after[: len(before)] == before
    complete = {(r.config, r.seed) for r in after if r.state is TrialState.COMPLETE}
    assert {(r.config, r.seed) for r in before} <= complete
    assert not any(record.state is TrialState.FAILED for record in after)


def test_sigterm_to_every_process_of_a_run_is_an_interruption(tmp_path):
    """As systemd, Slurm and Kubernetes send it to all of a control group: Ray dies at the same moment."""
    run = Run(tmp_path, stage=STAGE)
    run.wait_for_reports(8)
    for pid in [run.pid, *descendants(run.pid)]:
        with suppress(ProcessLookupError):  # some end with their parent
            os.kill(pid, signal.SIGTERM)
    assert run.exit_code() == 143, run.said
    assert run.status == "interrupted"
    assert "Interrupted by SIGTERM; so far: " in run.said
    assert not {"error:", "Traceback"} & set(run.said.split())


def test_a_ray_that_dies_while_the_stage_is_prepared_ends_the_run_too(tmp_path):
    run = Run(tmp_path, stage=STAGE | {"class": "tests.ray_adapter.broken:NeverPrepared", "options": {}})
    wait_until(lambda: "preparing the stage" in run.said)
    kill(run.pid, "gcs_server")
    assert run.exit_code() == 2, run.said
    assert run.said.count("error: Ray's process gcs_server died") == 1
    assert "Traceback" not in run.said
    assert run.status == "failed"
