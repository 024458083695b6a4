"""A process that is suspended for a while, as by a laptop's lid, costs a run nothing but time."""

import json
import os
import signal
import subprocess
import time

from tests.processes import ROOT, TUNER, descendants, title, wait_until, write_study
from tests.replay import records_of
from tests.studies import study_dict
from tuner.core.trial import TrialState
from tuner.runs.journal import read_journal

SUSPENDED_S = 3.0


def workers_of(driver):
    return [pid for pid in descendants(driver) if "Trainable" in title(pid)]


def suspend(pid):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(SUSPENDED_S)
    os.kill(pid, signal.SIGCONT)


def test_a_run_whose_driver_and_then_whose_worker_is_suspended_ends_as_if_nothing_had_been(tmp_path):
    stage = study_dict()["stage"] | {"options": {"epoch_time_s": 0.4}}
    budget, search = {"trials": 3, "hours": 1}, {"sampler": "random"}
    study = write_study(tmp_path, stage=stage, target="nrmse < 0.01", budget=budget, search=search)
    last, output = tmp_path / "runs/last", tmp_path / "output.txt"
    journal = last / "journal.jsonl"
    with output.open("w") as file:
        command = [*TUNER, "--space", str(study), "--runs-dir", str(tmp_path / "runs")]
        run = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
    wait_until(lambda: run.poll() is not None or (journal.exists() and '"observe"' in journal.read_text()))
    suspend(run.pid)
    wait_until(lambda: run.poll() is not None or bool(workers_of(run.pid)))
    suspend(workers_of(run.pid)[0])
    assert run.wait(timeout=60) == 1, output.read_text()  # no configuration meets the target
    assert json.loads((last / "result.json").read_text())["status"] == "target_not_met"
    events = list(read_journal(journal))
    records = records_of(events)
    assert {record.state for record in records} == {TrialState.COMPLETE}
    assert len({(record.config, record.seed) for record in records}) == len(records) >= 3
    elapsed = [event["elapsed_s"] for event in events]
    assert elapsed == sorted(elapsed)
    assert elapsed[-1] >= 2 * SUSPENDED_S, "it counts against the budget, as all time does in which it runs"
