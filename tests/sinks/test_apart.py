"""A sink in a process of its own is heard, may fail or be killed, and ends with the driver."""

import os
import signal
import subprocess
import sys
import traceback
from functools import partial
from pathlib import Path

import pytest

from tests.processes import ROOT, is_alive, wait_until
from tests.sinks.cases import PROVENANCE, a_result, records
from tests.studies import make_study
from tuner.errors import TunerError
from tuner.sinks import Sink, Sinks
from tuner.sinks.apart import Apart, ElsewhereError
from tuner.sinks.background import LOW_PRIORITY

GOES_AWAY = """
import os, sys, signal
from pathlib import Path
from tests.sinks.cases import PROVENANCE
from tests.sinks.test_apart import Telling
from tests.studies import make_study
from tuner.sinks.apart import Apart
Apart(Telling).start(make_study(), PROVENANCE, Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


class Telling(Sink):
    """Writes what it hears, and where, into a file; does as it is told to with the first record."""

    def __init__(self, deed=""):
        self._deed = deed

    def start(self, study, provenance, folder):
        self._file = folder / "heard"
        self._tell(f"{os.getpid()} {os.getpriority(os.PRIO_PROCESS, 0)}")

    def show(self, record):
        self._tell(record.trial_id)
        self.notice = f"seen {record.trial_id}"
        if self._deed == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._deed == "refuse":
            raise TunerError("not here.", "go there.")
        if self._deed == "fail":
            raise OSError("no space left")

    def finish(self, result):
        self._tell(result.status)

    def _tell(self, line):
        with self._file.open("a") as file:
            file.write(f"{line}\n")


def heard(folder):
    return (folder / "heard").read_text().split("\n")[:-1]


def test_it_hears_all_in_another_process_that_leaves_the_processor_to_trials(tmp_path):
    said = []
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    sinks = Sinks({"apart": lambda: Apart(Telling)}, said.append)
    sinks.start(make_study(), PROVENANCE, tmp_path)
    for record in records():
        sinks.show(record)
    sinks.finish(a_result())
    place, *others = heard(tmp_path)
    pid, priority = map(int, place.split())
    assert pid != os.getpid()
    assert (priority, os.getpriority(os.PRIO_PROCESS, 0)) == (max(LOW_PRIORITY, mine), mine)
    assert set(others) == {*(record.trial_id for record in records()), "recommended"}
    assert others[-1] == "recommended"
    assert said[-1] == f"apart: seen {records()[-1].trial_id}"
    wait_until(lambda: not is_alive(pid))


@pytest.mark.parametrize(
    ("deed", "raised", "says"),
    [
        ("refuse", TunerError, "not here. Fix: go there."),
        ("fail", ElsewhereError, "OSError: no space left"),
        ("die", ChildProcessError, "its process ended with -9"),
    ],
)
def test_what_goes_wrong_there_is_raised_here(deed, raised, says, tmp_path):
    sink = Apart(partial(Telling, deed))
    sink.start(make_study(), PROVENANCE, tmp_path)
    with pytest.raises(raised) as caught:
        sink.show(records()[0])
    assert str(caught.value) == says
    if deed == "fail":
        assert "in show" in "".join(traceback.format_exception(caught.value)), "where it was raised"
    if deed != "die":
        sink.finish(a_result())


def test_it_ends_when_the_driver_is_killed(tmp_path):
    done = subprocess.run([sys.executable, "-c", GOES_AWAY, tmp_path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(heard(Path(tmp_path))[0].split()[0])
    wait_until(lambda: not is_alive(pid))
