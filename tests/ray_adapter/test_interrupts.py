"""Real processes, real signals: what was finished is never lost."""

import json
import os
import signal
import subprocess
import sys

import optuna
import pytest

from tests.processes import (
    ROOT,
    TUNER,
    call_tuner,
    descendants,
    is_alive,
    title,
    wait_until,
    write_study,
)
from tests.replay import rebuild, records_of
from tests.studies import NO_SINKS, study_dict
from tuner.core.trial import TrialState
from tuner.runs.facts import fold
from tuner.runs.journal import read_journal
from tuner.runs.restore import advisor_of
from tuner.spec import load_study


@pytest.fixture
def running(tmp_path, request):
    """A run with at least three finished trials and one that runs; its last folder; its helpers' pids.

    No configuration meets its target, so that it recommends nothing, however disturbed its times are.
    """
    stage = study_dict()["stage"] | {"options": {"epoch_time_s": 0.1}}
    path = write_study(
        tmp_path,
        stage=stage,
        target="nrmse < 0.01",
        budget={"trials": getattr(request, "param", 200), "hours": 1},
        scheduler={"rule": "none"},
        search={"sampler": "random"},
        outputs=NO_SINKS | {"optuna": "sqlite"},  # one sink that goes on too
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


def test_a_run_that_goes_on_is_running_and_nobody_elses_and_ctrl_c_ends_it_gracefully(running, tmp_path):
    process, last, helpers = running
    status = json.loads(call_tuner("status", last, "--json").stdout)
    assert status["state"] == "running"
    assert status["silent_s"] < 30
    assert all(0 <= trial["epoch"] <= trial["num_epochs"] == 6 for trial in status["running"])
    assert status["elapsed_s"] > 0
    refused = call_tuner("--resume", last)
    assert refused.returncode == 2
    assert "a process still writes to it: the run has not ended" in refused.stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130, (tmp_path / "output.txt").read_text()
    _has_a_partial_result(last, "SIGINT")
    wait_until(lambda: not any(map(is_alive, helpers)), timeout_s=30)


def _has_a_partial_result(last, name):
    result = json.loads((last / "result.json").read_text())
    assert result["status"] == "interrupted"
    assert result["sentence"].startswith(f"Interrupted by {name}; so far: ")
    assert result["baseline"]["state"] == "complete"
    events = list(read_journal(last / "journal.jsonl"))
    assert events[-1]["event"] == "end"
    advisor = rebuild(load_study(str(last / "study.yaml")), events)
    assert not advisor.running
    ended = [r for r in advisor.records if r.state is TrialState.FAILED]
    assert {r.reason for r in ended} <= {f"interrupted by {name}"}
    assert result["num_trials"] == len(advisor.records)


def _has_every_finished_trial(last):
    advisor = rebuild(load_study(str(last / "study.yaml")), list(read_journal(last / "journal.jsonl")))
    complete = [r for r in advisor.records if r.state is TrialState.COMPLETE]
    assert len(complete) >= 3
    assert all(record.epoch == 6 for record in complete)


@pytest.mark.parametrize("running", [9], indirect=True)
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_run_that_was_ended_leaves_no_process_and_goes_on_where_it_stood_and_runs_nothing_twice(
    running, signum, code, tmp_path, call_on_ray
):
    process, last, helpers = running
    process.send_signal(signum)
    assert process.wait(timeout=60) == code, (tmp_path / "output.txt").read_text()
    if signum is signal.SIGTERM:
        _has_a_partial_result(last, "SIGTERM")
    else:
        assert json.loads(call_tuner("status", last, "--json").stdout)["state"] == "killed"
    _has_every_finished_trial(last)
    wait_until(lambda: not any(map(is_alive, helpers)), timeout_s=30 if signum is signal.SIGTERM else 45)
    with (last / "journal.jsonl").open("a") as journal:
        journal.write('{"event": "tel')  # torn
    study = last / "study.yaml"
    before = records_of(read_journal(last / "journal.jsonl"))
    finished = [record for record in before if record.state is TrialState.COMPLETE]
    assert len(finished) >= 3

    _is_refused_once_a_stage_option_was_edited(last)
    num_trials = 9
    if signum is signal.SIGKILL:  # what no measurement depends on may change
        num_trials = 10
        text = study.read_text().replace("description: ''", "description: edited")
        study.write_text(text.replace("trials: 9", "trials: 10"))
    else:
        study.unlink()  # the journal has it too
    resumed = call_on_ray("--resume", last)
    assert resumed.returncode == 1, resumed.stderr
    assert f"resumed {last.resolve().name}: " in resumed.stdout
    assert [folder.name for folder in last.parent.iterdir() if not folder.is_symlink()] == [
        last.resolve().name
    ]
    events = list(read_journal(last / "journal.jsonl"))
    advisor = advisor_of(load_study(str(study)), fold(events))
    assert advisor.records[: len(finished)] == tuple(finished)
    assert not advisor.running
    runs = [(r.config, r.seed) for r in advisor.records if r.state is not TrialState.DISCARDED]
    assert len(set(runs)) == len(runs)
    cut_off = [r for r in advisor.records if r.state is TrialState.DISCARDED]
    assert {(r.config, r.seed) for r in cut_off} <= set(runs), "what was cut off was run again"
    assert [e["event"] for e in events].count("resume") == 1
    assert events[-1]["event"] == "end"
    assert advisor.num_counted >= num_trials
    elapsed = [event["elapsed_s"] for event in events if event["event"] != "end"]
    assert elapsed == sorted(elapsed), "the budget's clock goes on where it stood"
    assert json.loads((last / "result.json").read_text())["num_trials"] == len(advisor.records)

    _shows_every_trial_once(last, advisor.records)
    ended = call_tuner("--resume", last)
    assert ended.returncode == 2
    assert "that run has come to its end" in ended.stderr


def _shows_every_trial_once(last, records):
    """A sink goes on too."""
    storage = f"sqlite:///{last.resolve() / 'optuna.sqlite3'}"
    shown = optuna.load_study(study_name=None, storage=storage).trials
    assert len(shown) == len(records), "no trial is shown twice"
    told = {trial.user_attrs["trial_id"]: trial.state.name for trial in shown}
    state = {TrialState.COMPLETE: "COMPLETE", TrialState.DISCARDED: "FAIL"}
    assert told == {record.trial_id: state[record.state] for record in records}


def _is_refused_once_a_stage_option_was_edited(last):
    """Before Ray is started, with the journal as it was; the study is put back."""
    study, journal = last / "study.yaml", last / "journal.jsonl"
    text, events = study.read_text(), journal.read_bytes()
    study.write_text(text.replace("epoch_time_s: 0.1", "epoch_time_s: 0.02"))
    edited = call_tuner("--resume", last)
    assert edited.returncode == 2
    assert "since it began: stage.options.epoch_time_s: 0.1 -> 0.02. Fix: put it back" in edited.stderr
    assert edited.stderr.rstrip().endswith("start a new run: --space FILE.")
    assert "starting Ray" not in edited.stdout
    assert journal.read_bytes() == events
    study.write_text(text)


@pytest.mark.parametrize(
    ("moment", "signum", "code"), [("starting Ray", signal.SIGINT, 130), ("preparing", signal.SIGTERM, 143)]
)
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


def test_a_signal_in_a_fork_hook_while_ray_starts_is_not_lost(tmp_path):
    """Python drops an exception raised in a fork hook, and Ray's own handler raises one."""
    code = (
        "import os, signal, sys, tuner.run\n"
        "once = iter([signal.SIGTERM])\n"
        "os.register_at_fork(after_in_parent=lambda: [os.kill(os.getpid(), signum) for signum in once])\n"
        "sys.exit(tuner.run.main(sys.argv[1:]))"
    )
    study = str(write_study(tmp_path))
    command = [sys.executable, "-c", code, "--space", study, "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 143, done.stdout + done.stderr
    assert "interrupted before the first trial; nothing was run" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
