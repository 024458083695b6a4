"""Real processes, real signals: what was finished is never lost."""

import json
import os
import signal
import subprocess

import optuna
import pytest

from tests.processes import ROOT, TUNER, descendants, is_alive, run_tuner, title, wait_until, write_study
from tests.studies import study_dict
from tuner.advisor import rebuild
from tuner.advisor.history import records_of
from tuner.core.trial import TrialState
from tuner.records.journal import read_journal
from tuner.spec import load_study


@pytest.fixture
def running(tmp_path, request):
    """A run with at least three finished trials and one that runs; its last folder; its helpers' pids."""
    stage = study_dict()["stage"] | {"options": {"epoch_time_s": 0.1}}
    path = write_study(
        tmp_path,
        stage=stage,
        budget={"trials": getattr(request, "param", 200), "hours": 1},
        scheduler={"rule": "none"},
        search={"sampler": "random"},
    )
    command = [*TUNER, "--space", str(path), "--runs-dir", str(tmp_path / "runs")]
    output = (tmp_path / "output.txt").open("w")
    process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=os.environ)
    journal = tmp_path / "runs/last/journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_text().count('"tell"') >= 3)
    # Ray's own dashboard agent notices the end of its node only after a minute.
    helpers = {pid for pid in descendants(process.pid) if "Agent" not in title(pid)}
    assert {"raylet", "gcs_server"} <= {title(pid).split()[0].rsplit("/", 1)[-1] for pid in helpers}
    yield process, tmp_path / "runs/last", helpers
    process.kill()
    process.wait()
    output.close()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_gracefully_with_a_partial_result(running, signum, code, tmp_path):
    process, last, helpers = running
    process.send_signal(signum)
    assert process.wait(timeout=60) == code, (tmp_path / "output.txt").read_text()
    result = json.loads((last / "result.json").read_text())
    assert result["status"] == "interrupted"
    assert result["sentence"].startswith(f"Interrupted by {signum.name}; so far: ")
    assert result["baseline"]["state"] == "complete"
    events = list(read_journal(last / "journal.jsonl"))
    assert events[-1]["event"] == "end"
    advisor = rebuild(load_study(str(last / "study.yaml")), events)
    assert not advisor.running
    ended = [r for r in advisor.records if r.state is TrialState.FAILED]
    assert {r.reason for r in ended} <= {f"interrupted by {signum.name}"}
    assert result["num_trials"] == len(advisor.records)
    wait_until(lambda: not any(map(is_alive, helpers)), timeout_s=30)


@pytest.mark.parametrize("running", [14], indirect=True)
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_goes_on_where_it_stood_and_runs_nothing_twice(running, signum):
    process, last, helpers = running
    refused = run_tuner("--resume", last)
    assert refused.returncode == 2
    assert "a process still writes to it: the run goes on" in refused.stderr
    process.send_signal(signum)
    process.wait(timeout=60)
    wait_until(lambda: not any(map(is_alive, helpers)), timeout_s=60)
    with (last / "journal.jsonl").open("a") as journal:
        journal.write('{"event": "tel')  # torn
    study = last / "study.yaml"
    before = records_of(read_journal(last / "journal.jsonl"))
    finished = [record for record in before if record.state is TrialState.COMPLETE]
    assert len(finished) >= 3

    resumed = run_tuner("--resume", last, timeout_s=200)
    assert resumed.returncode in (0, 1), resumed.stderr
    assert f"resumed {last.resolve().name}: " in resumed.stdout
    assert [folder.name for folder in last.parent.iterdir() if not folder.is_symlink()] == [
        last.resolve().name
    ]
    events = list(read_journal(last / "journal.jsonl"))
    advisor = rebuild(load_study(str(study)), events)
    assert advisor.records[: len(finished)] == tuple(finished)
    assert not advisor.running
    runs = [(r.config, r.seed) for r in advisor.records if r.state is not TrialState.FAILED]
    assert len(set(runs)) == len(runs)
    lost = [r for r in advisor.records if r.state is TrialState.FAILED]
    assert {(r.config, r.seed) for r in lost} <= set(runs), "what was lost was asked again"
    assert [e["event"] for e in events].count("resume") == 1
    assert events[-1]["event"] == "end"
    assert advisor.num_counted >= 14
    elapsed = [event["elapsed_s"] for event in events if event["event"] != "end"]
    assert elapsed == sorted(elapsed), "the budget's clock goes on where it stood"
    assert json.loads((last / "result.json").read_text())["num_trials"] == len(advisor.records)

    storage = f"sqlite:///{last.resolve() / 'optuna.sqlite3'}"
    shown = optuna.load_study(study_name=None, storage=storage).trials
    assert len(shown) == len(advisor.records), "a sink goes on too, and shows no trial twice"
    told = {trial.user_attrs["trial_id"]: trial.state.name for trial in shown}
    state = {TrialState.COMPLETE: "COMPLETE", TrialState.FAILED: "FAIL"}
    assert told == {record.trial_id: state[record.state] for record in advisor.records}

    ended = run_tuner("--resume", last)
    assert ended.returncode == 2
    assert "that run has come to its end" in ended.stderr


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", ["starting Ray", "preparing"])
def test_a_signal_before_the_first_trial_is_one_line(moment, signum, code, tmp_path):
    """Ray's own start-up and its C code are the places where a signal could do harm."""
    output = tmp_path / "output.txt"
    command = [*TUNER, "--space", str(write_study(tmp_path)), "--runs-dir", str(tmp_path / "runs")]
    with output.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
        wait_until(lambda: moment in output.read_text())
        process.send_signal(signum)
        assert process.wait(timeout=60) == code, output.read_text()
    assert "Traceback" not in output.read_text()
    folders = list((tmp_path / "runs").glob("synthetic-*"))
    if folders:  # the run had just got its folder
        assert json.loads((folders[0] / "result.json").read_text())["status"] == "interrupted"
    else:
        assert "interrupted before the first trial; nothing was run" in output.read_text()


def test_a_killed_run_keeps_every_finished_trial_and_leaves_no_process_behind(running):
    process, last, helpers = running
    process.kill()
    process.wait()
    advisor = rebuild(load_study(str(last / "study.yaml")), list(read_journal(last / "journal.jsonl")))
    complete = [r for r in advisor.records if r.state is TrialState.COMPLETE]
    assert len(complete) >= 3
    assert all(record.epoch == 6 for record in complete)
    wait_until(lambda: not any(map(is_alive, helpers)), timeout_s=45)
