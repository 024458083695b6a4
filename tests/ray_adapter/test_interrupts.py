"""Real processes, real signals: what was finished is never lost."""

import json
import os
import re
import signal
import subprocess
import sys

import optuna
import pytest

from tests.processes import (
    ROOT,
    TUNER,
    Terminal,
    call_tuner,
    descendants,
    is_alive,
    title,
    wait_until,
    write_study,
)
from tests.ray_adapter.test_checkpoints import asked_of, heard_of, undisturbed
from tests.replay import rebuild, records_of
from tests.studies import NO_SINKS, study_dict
from tuner.core.trial import TrialState
from tuner.runs.facts import fold
from tuner.runs.journal import read_journal
from tuner.runs.restore import advisor_of
from tuner.spec import load_study

SYNTHETIC = study_dict()["stage"]


@pytest.fixture
def running(tmp_path, request):
    """A run with at least three finished trials and one that runs; its last folder; its helpers' pids.

    No configuration meets its target, so that it recommends nothing, however disturbed its times are.
    """
    path = write_study(
        tmp_path,
        target="nrmse < 0.01",
        scheduler={"rule": "none"},
        search={"sampler": "random"},
        **request.param,
    )
    command = [*TUNER, "--space", str(path), "--runs-dir", str(tmp_path / "runs")]
    output = (tmp_path / "output.txt").open("w")
    process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    journal = tmp_path / "runs/last/journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_text().count('"tell"') >= 3)
    # Ray's own dashboard agent notices the end of its node only after a minute.
    helpers = {pid for pid in descendants(process.pid) if "Agent" not in title(pid)}
    assert {"raylet", "gcs_server"} <= {title(pid).split()[0].rsplit("/", 1)[-1] for pid in helpers}
    yield process, tmp_path / "runs/last", helpers
    process.kill()
    process.wait()
    output.close()


def _is_running_on_two_workers_and_nobody_elses(last, helpers):
    """One worker has answered questions to the stage; the other, which started beside it, runs the trials."""
    assert sum(title(pid).startswith("ray::") for pid in helpers) == 2
    status = json.loads(call_tuner("status", last, "--json").stdout)
    assert status["state"] == "running"
    assert status["silent_s"] < 30
    assert all(0 <= trial["epoch"] <= trial["num_epochs"] == 6 for trial in status["running"])
    assert status["elapsed_s"] > 0
    refused = call_tuner("--resume", last)
    assert refused.returncode == 2
    assert "a process still writes to it: the run has not ended" in refused.stderr


def has_a_partial_result(last, name):
    result = json.loads((last / "result.json").read_text())
    assert result["status"] == "interrupted"
    assert result["sentence"].startswith(f"Interrupted by {name}; so far: ")
    assert result["baseline"]["state"] == "complete"
    events = list(read_journal(last / "journal.jsonl"))
    assert events[-1]["event"] == "end"
    advisor = rebuild(load_study(str(last / "study.yaml")), events)
    assert not advisor.running
    cut_short = [r for r in advisor.records if r.state in (TrialState.FAILED, TrialState.DISCARDED)]
    assert {r.state for r in cut_short} <= {TrialState.DISCARDED}
    assert {r.reason for r in cut_short} <= {f"interrupted by {name}"}
    assert result["num_trials"] == len(advisor.records)


def _has_every_finished_trial(last):
    advisor = rebuild(load_study(str(last / "study.yaml")), list(read_journal(last / "journal.jsonl")))
    complete = [r for r in advisor.records if r.state is TrialState.COMPLETE]
    assert len(complete) >= 3
    assert all(record.epoch == 6 for record in complete)


SHORT = {"stage": SYNTHETIC | {"options": {"epoch_time_s": 0.1}}, "budget": {"trials": 9, "hours": 1}}
RESUMABLE = {
    "stage": SYNTHETIC | {"class": "tests.stages:ResumableStage", "options": {"epoch_time_s": 0.3}},
    "budget": {"trials": 200, "hours": 1},
    "parameters": {"batch_size": {"values": [4, 6, 8]}, "micro_batch": {"values": [2, 3]},
                   "num_taus": {"low": 4, "high": 6}, "accum_steps": {"values": [1, 2]}},
    "guide": None,
    "outputs": NO_SINKS | {"optuna": "sqlite"},  # one sink that goes on too
}  # fmt: skip
"""A study whose lost trials go on from their checkpoints, and none of whose trials takes less than 1.6 s."""


@pytest.mark.parametrize(
    ("running", "signum", "code"),
    [(RESUMABLE, signal.SIGKILL, -9), (SHORT, signal.SIGTERM, 143)],
    indirect=["running"],
)
def test_a_run_that_was_ended_leaves_no_process_and_goes_on_where_it_stood_and_runs_nothing_twice(
    running, signum, code, tmp_path, call_on_ray
):
    process, last, helpers = running
    if signum is signal.SIGKILL:
        _is_running_on_two_workers_and_nobody_elses(last, helpers)
        wait_until(lambda: any((last / "checkpoints").glob("*/epoch-2.pkl")))
    # To all of its group, as `timeout`, Slurm, systemd and `docker stop` send SIGTERM.
    os.kill(process.pid, signum) if signum is signal.SIGKILL else os.killpg(process.pid, signum)
    assert process.wait(timeout=60) == code, (tmp_path / "output.txt").read_text()
    if signum is signal.SIGTERM:
        has_a_partial_result(last, "SIGTERM")
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
        num_trials = len(finished) + 2
        text = study.read_text().replace("description: ''", "description: edited")
        study.write_text(text.replace("trials: 200", f"trials: {num_trials}"))
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

    if signum is signal.SIGKILL:
        _shows_every_trial_once(last, advisor.records)
        _went_on_from_its_checkpoint(last, events, before[-1].epoch)
    ended = call_tuner("--resume", last)
    assert ended.returncode == 2
    assert "that run has come to its end" in ended.stderr


def _went_on_from_its_checkpoint(last, events, epoch):
    """The one trial that was cut off, which did not begin anew and has the NRMSE of an undisturbed one."""
    records = records_of(events)
    (lost,) = [record for record in records if record.state is TrialState.DISCARDED]
    (again,) = [r for r in records if (r.config, r.seed) == (lost.config, lost.seed) and r is not lost]
    assert again.state is TrialState.COMPLETE
    begun = asked_of(events, again.trial_id)["from_epoch"]
    assert 2 <= min(epoch, begun) <= max(epoch, begun) < 6
    assert heard_of(events, again.trial_id) == [(epoch, True) for epoch in range(begun + 1, 7)]
    assert again.nrmse_curve == undisturbed(again, {"epoch_time_s": 0.0})
    assert not (last / "checkpoints").exists()
    told = [event["event"] == "tell" and event["trial_id"] == again.trial_id for event in events]
    then = events[: told.index(True) + 1]  # what the sampler drew later, it would not draw again
    assert rebuild(load_study(str(last / "study.yaml")), then).records == tuple(records_of(then))


def _shows_every_trial_once(last, records):
    """A sink goes on too."""
    storage = f"sqlite:///{last.resolve() / 'optuna.sqlite3'}"
    shown = optuna.load_study(study_name=None, storage=storage).trials
    assert len(shown) == len(records), "no trial is shown twice"
    told = {trial.user_attrs["trial_id"]: trial.state.name for trial in shown}
    assert told == {record.trial_id: _state_in_optuna(record) for record in records}


def _state_in_optuna(record):
    if record.state is TrialState.DISCARDED:
        return "FAIL"
    return "PRUNED" if record.from_epoch else "COMPLETE"


def _is_refused_once_a_stage_option_was_edited(last):
    """Before Ray is started, with the journal as it was; the study is put back."""
    study, journal = last / "study.yaml", last / "journal.jsonl"
    text, events = study.read_text(), journal.read_bytes()
    before = re.search(r"epoch_time_s: (\S+)", text)[1].rstrip("}")
    study.write_text(text.replace(f"epoch_time_s: {before}", "epoch_time_s: 0.02"))
    edited = call_tuner("--resume", last)
    assert edited.returncode == 2
    assert f"since it began: stage.options.epoch_time_s: {before} -> 0.02. Fix: put it back" in edited.stderr
    assert edited.stderr.rstrip().endswith("start a new run: --space FILE.")
    assert "starting Ray" not in edited.stdout
    assert journal.read_bytes() == events
    study.write_text(text)


def test_a_signal_before_the_first_trial_is_one_line(tmp_path):
    """Ray has started; of one that comes while it starts, see below."""
    command = [*TUNER, "--space", str(write_study(tmp_path)), "--runs-dir", str(tmp_path / "runs")]
    with Terminal(command) as terminal:
        terminal.wait_for("preparing")
        terminal.press_ctrl_c()
        assert terminal.exit_code() == 130, terminal.output
    assert "Traceback" not in terminal.output
    folders = list((tmp_path / "runs").glob("synthetic-*"))
    if folders:  # the run had just got its folder
        assert json.loads((folders[0] / "result.json").read_text())["status"] == "interrupted"
    else:
        assert "interrupted before the first trial; nothing was run" in terminal.output


WAITS_FOR_A_SIGNAL = """
import sys, time
from tuner.ray_adapter.interrupts import Interrupts
with Interrupts() as interrupts:
    print("ready", flush=True)
    until = time.monotonic() + float(sys.argv[1])
    while interrupts.signum is None and time.monotonic() < until:
        time.sleep(0.05)
    print("to a terminal that may be gone", flush=True)
open(sys.argv[2], "w").write(f"{interrupts.name} {interrupts.exit_code}")
"""


def test_a_dropped_connection_counts_as_sigterm_and_what_is_printed_afterwards_harms_nothing(tmp_path):
    said = tmp_path / "said"
    with Terminal([sys.executable, "-c", WAITS_FOR_A_SIGNAL, "60", str(said)]) as terminal:
        terminal.wait_for("ready")
        terminal.hang_up()
        assert terminal.exit_code() == 0
    assert said.read_text() == "SIGHUP 143"


def test_under_nohup_a_dropped_connection_changes_nothing(tmp_path):
    said = tmp_path / "said"
    with Terminal(["nohup", sys.executable, "-c", WAITS_FOR_A_SIGNAL, "2", str(said)], tmp_path) as terminal:
        printed = tmp_path / "nohup.out"
        wait_until(lambda: printed.exists() and "ready" in printed.read_text())
        terminal.hang_up()
        assert terminal.exit_code() == 0
    assert said.read_text() == " None"


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
