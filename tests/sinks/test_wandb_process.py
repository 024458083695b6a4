"""W&B's own process is heard, may fail or be killed, hears no signal of the driver's, and ends with it."""

import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from tests.processes import ROOT, is_alive, wait_until
from tests.sinks.cases import PROVENANCE, a_result, records
from tests.studies import make_study
from tuner.sinks import Sinks, wandb_runs
from tuner.sinks.background import LOW_PRIORITY
from tuner.sinks.contract import ElsewhereError
from tuner.sinks.wandb_process import WandbProcess
from tuner.sinks.wandb_runs import WandbRuns

STARTS = """
import os, signal, sys
from tuner.sinks.wandb_process import WandbProcess
process = WandbProcess()
process.call("start", "offline", "p", sys.argv[1])
process.call("open", "0001", "search", {})
print(process.pid, flush=True)
"""
GOES_AWAY = STARTS + "os.kill(os.getpid(), signal.SIGKILL)"
IS_INTERRUPTED = (
    STARTS
    + """
for sent in (signal.SIGINT, signal.SIGTERM):
    signal.signal(sent, signal.SIG_IGN)
    os.killpg(0, sent)
process.call("close", "0001", 0)
process.call("finish")
process.end()
print("written")
"""
)


@pytest.fixture
def process():
    process = WandbProcess()
    yield process
    process.end()


@pytest.fixture
def started(monkeypatch):
    """All that sinks start."""
    processes = []

    def start():
        processes.append(WandbProcess())
        return processes[-1]

    monkeypatch.setattr(wandb_runs, "WandbProcess", start)
    return processes


def wandb_files(folder):
    return sorted((folder / "wandb").glob("offline-run-*/*.wandb"))


def test_it_knows_wandb_and_nothing_of_the_tuner(process, tmp_path):
    process.call("start", "offline", "p", str(tmp_path))
    mapped = Path(f"/proc/{process.pid}/maps").read_text()
    assert "/pydantic_core/" in mapped, "W&B's"
    assert "/scipy/" not in mapped, "the tuner's core needs it"


def test_it_leaves_the_processor_to_trials(started, tmp_path):
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    sinks = Sinks({"wandb": lambda: WandbRuns("offline", "p")}, print)
    sinks.start(make_study(), PROVENANCE, tmp_path)
    wait_until(lambda: bool(started))
    assert os.getpriority(os.PRIO_PROCESS, started[0].pid) == max(LOW_PRIORITY, mine)
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine
    sinks.finish(a_result())
    wait_until(lambda: not is_alive(started[0].pid))


def test_what_goes_wrong_there_is_raised_here_and_it_goes_on(process, tmp_path):
    process.call("start", "offline", "p", str(tmp_path))
    with pytest.raises(ElsewhereError) as caught:
        process.call("log", "unheard-of", {}, 1)
    assert (caught.value.kind, str(caught.value)) == ("KeyError", "KeyError: 'unheard-of'")
    assert "in log" in "".join(traceback.format_exception(caught.value)), "where it was raised"
    process.call("open", "0001", "search", {})
    process.call("close", "0001", 0)
    process.call("finish")
    assert len(wandb_files(tmp_path)) == 1


def test_one_that_is_killed_fails_with_how_it_ended(started, tmp_path):
    sink = WandbRuns("offline", "p")
    sink.start(make_study(), PROVENANCE, tmp_path)
    os.kill(started[0].pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match=r"^its process ended with -9$"):
        sink.show(records()[0])


def test_it_ends_when_the_driver_is_killed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", GOES_AWAY, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not is_alive(int(done.stdout)))


def test_a_signal_to_all_of_the_drivers_processes_does_not_end_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", IS_INTERRUPTED, tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()[1:], done.stderr) == (0, ["written"], "")
    assert len(wandb_files(tmp_path)) == 1
