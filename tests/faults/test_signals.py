"""A signal at any moment ends in one line and in an exit code that agrees with the result."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.processes import ROOT, TUNER, call_tuner, run_tuner, wait_until, write_study
from tests.studies import study_dict
from tuner.runs.journal import read_journal
from tuner.runs.result import exit_code

NOTHING_RUN = "interrupted before the first trial; nothing was run\n"

WHILE_IMPORTED = """
import os, signal, time
from tests.stages import SyntheticStage
try:
    os.kill(os.getpid(), signal.{name})
    time.sleep(60)
except BaseException as error:
    if {drops}:
        raise ImportError("a library that makes something else of it") from error
    raise
"""


@pytest.mark.parametrize(
    ("name", "drops", "code"),
    [("SIGINT", False, 130), ("SIGTERM", True, 143), ("SIGHUP", False, 143)],
)
def test_a_signal_while_the_stage_is_imported_is_one_line(name, drops, code, tmp_path):
    (tmp_path / "my_stage.py").write_text(WHILE_IMPORTED.format(name=name, drops=drops))
    stage = study_dict()["stage"] | {"class": "my_stage:SyntheticStage"}
    study, path = write_study(tmp_path, stage=stage), os.pathsep.join([str(ROOT), str(tmp_path)])
    done = run_tuner("--space", study, "--runs-dir", tmp_path / "runs", PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (code, NOTHING_RUN)
    assert not list((tmp_path / "runs").iterdir())


def test_a_command_that_runs_nothing_says_so_otherwise(tmp_path):
    code = (
        "import os, signal, sys, tuner.run, tuner.commands.status as status\n"
        "status.run = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "tuner.run.command_line()"
    )
    command = [sys.executable, "-c", code, "status", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, "interrupted\n")


def test_a_second_ctrl_c_while_ray_starts_ends_at_once(tmp_path):
    code = (
        "import os, signal, tuner.run\n"
        "twice = iter([signal.SIGINT, signal.SIGINT])\n"
        "os.register_at_fork(after_in_parent=lambda: [os.kill(os.getpid(), signum) for signum in twice])\n"
        "tuner.run.command_line()"
    )
    words = ["--space", str(write_study(tmp_path)), "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert b"Traceback" not in done.stderr


def test_a_signal_once_all_is_printed_changes_neither_the_exit_code_nor_what_is_said(
    tmp_path, call_on_ray, monkeypatch
):
    def at_the_last_moment(result):
        os.kill(os.getpid(), signal.SIGTERM)
        return exit_code(result)

    monkeypatch.setattr("tuner.runs.result.exit_code", at_the_last_moment)
    study = write_study(tmp_path, budget={"trials": 1, "hours": 1}, target="nrmse < 0.01")
    done = call_on_ray("--space", study, "--runs-dir", tmp_path / "runs")
    assert (done.returncode, done.stderr) == (1, "")


class Run:
    """A short run with a private Ray that meets no target."""

    def __init__(self, folder, epoch_time_s):
        stage = study_dict()["stage"] | {"options": {"epoch_time_s": epoch_time_s}, "num_epochs": 2}
        budget, search = {"trials": 2, "hours": 1}, {"sampler": "random"}
        study = write_study(folder, stage=stage, budget=budget, search=search, target="nrmse < 0.01")
        self.last, self.output = folder / "runs/last", folder / "output.txt"
        with self.output.open("w") as file:
            command = [*TUNER, "--space", str(study), "--runs-dir", str(folder / "runs")]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)

    def send_when(self, name, text, *signals):
        """Sends signals, one after another, once a file in the run's folder has that text."""
        file = self.last / name
        wait_until(lambda: file.exists() and text in file.read_text())
        for signum in signals:
            os.kill(self.process.pid, signum)
            time.sleep(0.2)

    def exit_code(self):
        return self.process.wait(timeout=60)


def test_a_signal_while_the_outputs_are_written_changes_nothing(tmp_path):
    """The run has ended; an exit code of 143 would have a job's script continue what cannot go on."""
    run = Run(tmp_path, epoch_time_s=0.1)
    run.send_when("result.json", "target_not_met", signal.SIGTERM)
    assert run.exit_code() == 1, run.output.read_text()
    assert "SIGTERM came after the last trial: the result is complete" in run.output.read_text()
    assert "error:" not in run.output.read_text()
    assert json.loads((run.last / "result.json").read_text())["status"] == "target_not_met"
    assert (run.last / "report.html").exists()
    end = list(read_journal(run.last / "journal.jsonl"))[-1]
    assert (end["event"], end["interrupted_by"]) == ("end", "")
    assert "that run has come to its end" in call_tuner("--resume", run.last).stderr


def test_a_second_ctrl_c_ends_at_once_while_a_trial_is_ended_and_the_run_can_go_on(tmp_path):
    run = Run(tmp_path, epoch_time_s=100)
    run.send_when("journal.jsonl", "ask", signal.SIGINT, signal.SIGINT)
    assert run.exit_code() == -signal.SIGINT, run.output.read_text()
    assert not {"Traceback", "error:"} & set(run.output.read_text().split())
    assert json.loads(call_tuner("status", run.last, "--json").stdout)["state"] == "killed"


def test_a_second_ctrl_c_ends_at_once_while_the_outputs_are_written_and_none_of_them_is_torn(tmp_path):
    run = Run(tmp_path, epoch_time_s=0.1)
    run.send_when("result.json", "target_not_met", signal.SIGINT, signal.SIGINT)
    assert run.exit_code() == -signal.SIGINT, run.output.read_text()
    assert json.loads((run.last / "result.json").read_text())["status"] == "target_not_met"
    assert not {"Traceback", "error:"} & set(run.output.read_text().split())
