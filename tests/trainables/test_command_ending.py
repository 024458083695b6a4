"""Nothing that a script started outlives its trial, however either of them ends."""

import subprocess
import sys
import time

import pytest

from tests.processes import ROOT, is_alive, wait_until
from tests.trainables.test_command import EPOCHS, output_of, reports, trial
from trainables.command import CommandStage, verdict
from trainables.telemetry.failures import ScriptError

# Starts a child that keeps its output open; NEW_SESSION says whether it leaves the script's session too.
PARENT = (
    "import os,signal,subprocess,sys,time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],\n"
    "                         start_new_session=NEW_SESSION)\n"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}')\n"
    "print('{\"nrmse\": 1}', flush=True)\n"
)
FOREVER = PARENT + "time.sleep(600)\n"


def in_session(code, *, new):
    return code.replace("NEW_SESSION", str(new))


def ended(path):
    return not any(is_alive(int(pid)) for pid in path.read_text().split())


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("how", ["stop", "reset"])
def test_a_stopped_trial_leaves_no_descendant_even_one_that_ignores_sigterm(tmp_path, how, new):
    stage = CommandStage(config=trial(tmp_path, in_session(FOREVER, new=new), str(tmp_path / "pids")))
    stage.train()
    assert not ended(tmp_path / "pids")
    if how == "reset":
        stage.reset(trial(tmp_path, EPOCHS))
    else:
        stage.stop()
    assert ended(tmp_path / "pids")
    stage.stop()


@pytest.mark.parametrize("new", [False, True])
def test_a_killed_worker_leaves_no_descendant_and_no_temporary_folder(tmp_path, new):
    config = trial(tmp_path, in_session(FOREVER, new=new), str(tmp_path / "pids"), logs="")
    code = (
        "import os, signal, tempfile\nfrom trainables.command import CommandStage\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        f"CommandStage(config={config!r}).train()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    wait_until(lambda: ended(tmp_path / "pids"), timeout_s=10)
    wait_until(lambda: not list(tmp_path.glob("distill-trial-*")), timeout_s=10)


@pytest.mark.parametrize("new", [False, True])
def test_a_daemon_that_keeps_the_output_open_does_not_hold_the_trial(tmp_path, new):
    begun = time.monotonic()
    code = in_session(PARENT, new=new) + "print('bye')\n"
    (report,) = reports(trial(tmp_path, code, str(tmp_path / "pids"), num_epochs=1))
    assert report["nrmse"] == 1
    assert ended(tmp_path / "pids")
    assert time.monotonic() - begun < 60
    assert output_of(tmp_path).endswith("bye\n")


def test_a_daemon_that_prints_for_ever_does_not_hold_the_trial(tmp_path):
    chatter = "while True: print('x' * 1000, flush=True)"
    code = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {chatter!r}])\n"
        "print('{\"nrmse\": 1}', flush=True)\n"
    )
    (report,) = reports(trial(tmp_path, code, num_epochs=1))
    assert report["nrmse"] == 1


def test_a_script_has_grace_s_to_end_by_itself_after_sigterm(tmp_path):
    code = (
        "import signal, sys, time\n"
        "def leave(*_):\n    time.sleep(1)\n    print('saved', flush=True)\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave)\nprint('{\"nrmse\": 1}', flush=True)\ntime.sleep(600)\n"
    )
    for grace_s, is_saved in ((20, True), (0.1, False)):
        folder = tmp_path / str(grace_s)
        folder.mkdir()
        stage = CommandStage(config=trial(folder, code, grace_s=grace_s))
        stage.train()
        stage.stop()
        assert ("saved" in output_of(folder)) == is_saved


@pytest.mark.parametrize(
    ("code", "tail", "num_oom_kills", "error"),
    [
        (0, ["CUDA out of memory"], 1, type(None)),
        (1, ["torch.OutOfMemoryError: CUDA out of memory."], 0, MemoryError),
        (1, ["numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9 TiB"], 0, MemoryError),
        (-9, [], 1, MemoryError),
        (137, [], 1, MemoryError),
        (137, ["Killed"], 0, verdict.ScriptLostError),
        (-9, [], 0, verdict.ScriptLostError),
        (-15, [], 1, verdict.ScriptLostError),
        (1, ["exitcode  : -9 (pid: 7)"], 1, MemoryError),
        (1, ["exitcode  : -9 (pid: 7)"], 0, ScriptError),
        (1, ["KeyError"], 1, ScriptError),
        (-11, [], 0, ScriptError),
    ],
)
def test_only_evidence_makes_an_end_out_of_memory(code, tail, num_oom_kills, error):
    assert type(verdict.failure(code, tail, num_oom_kills, "where")) is error
