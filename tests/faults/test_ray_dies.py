"""Ray dies under a run: what was finished is kept, nothing is blamed, and the run can go on."""

import json
import os
import signal
import subprocess

from tests.processes import ROOT, TUNER, descendants, title, wait_until, write_study
from tests.replay import records_of
from tests.studies import study_dict
from tuner.core.trial import TrialState
from tuner.runs.journal import read_journal

STAGE = study_dict()["stage"] | {"options": {"epoch_time_s": 0.3}}


def test_a_killed_raylet_ends_the_run_with_a_message_and_counts_against_no_trial(tmp_path, call_on_ray):
    budget, random = {"trials": 3, "hours": 1}, {"sampler": "random"}
    study = write_study(tmp_path, stage=STAGE, target="nrmse < 0.01", budget=budget, search=random)
    last, output = tmp_path / "runs/last", tmp_path / "output.txt"
    with output.open("w") as file:
        command = [*TUNER, "--space", str(study), "--runs-dir", str(tmp_path / "runs")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
        journal = last / "journal.jsonl"
        wait_until(lambda: journal.exists() and journal.read_text().count('"observe"') >= 8)
        (raylet,) = (p for p in descendants(process.pid) if title(p).split()[0].endswith("/raylet"))
        os.kill(raylet, signal.SIGKILL)
        assert process.wait(timeout=60) == 2, output.read_text()
    said = output.read_text()
    assert said.count("error: Ray's process raylet died, so that no trial can run any more. Fix: ") == 1
    assert not {"Traceback", "(raylet)", "state-dump"} & set(said.split())
    assert json.loads((last / "result.json").read_text())["status"] == "failed"
    before = records_of(read_journal(journal))
    assert {r.state for r in before} <= {TrialState.COMPLETE, TrialState.DISCARDED}
    assert {r.reason for r in before if r.state is TrialState.DISCARDED} <= {"Ray's raylet died"}

    resumed = call_on_ray("--resume", last)
    assert resumed.returncode == 1, resumed.stderr  # no configuration meets the target
    after = records_of(read_journal(journal))
    assert after[: len(before)] == before
    complete = {(r.config, r.seed) for r in after if r.state is TrialState.COMPLETE}
    assert {(r.config, r.seed) for r in before} <= complete
    assert not any(record.state is TrialState.FAILED for record in after)
