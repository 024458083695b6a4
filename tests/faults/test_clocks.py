"""No duration is measured with a clock that somebody may set: budgets, silences and epochs outlive a jump."""

import ast

import pytest

from tests.processes import ROOT
from trainables.command.sources.stamps import Stamps

WALL_CLOCKS = {
    *("time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.strftime", "time.ctime"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
}
ALLOWED = {
    "tuner/sinks/event_file.py": "stamps what it writes for TensorBoard",
    "tuner/runs/provenance.py": "writes down when a run began",
    "tuner/commands/status.py": "prints how old the journal is, and says so if the clock was set back",
    "trainables/command/place.py": "names a folder by the time",
    "trainables/command/sources/stamps.py": "the age of a stamp that another process took from that clock",
}
"""Modules that may ask what time it is, and why."""


def wall_clocks_of(text):
    """What a module calls that depends on the clock of the wall, also under the name it imports."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found |= {f"time.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Attribute):
            found.add(".".join(ast.unparse(node).split(".")[-2:]))
    return found & WALL_CLOCKS


def test_a_wall_clock_is_found_under_any_of_its_names():
    for text in ("time.time()", "from time import time", "datetime.datetime.now()", "clock = time.time_ns"):
        assert len(wall_clocks_of(text)) == 1
    assert not wall_clocks_of("from time import monotonic\ntime.perf_counter()\nnow()")


def test_no_module_measures_with_a_clock_that_can_be_set():
    modules = [path for name in ("tuner", "trainables", "foundation") for path in (ROOT / name).rglob("*.py")]
    asking = {
        path.relative_to(ROOT).as_posix()
        for path in modules
        if "time" in (text := path.read_text()) and wall_clocks_of(text)
    }
    assert asking == ALLOWED.keys()


class Clocks:
    """A wall's clock that can be set, and a steady one."""

    wall_s, steady_s = 1_000_000.0, 5.0

    def pass_by(self, seconds, *, set_by_s=0.0):
        self.steady_s += seconds
        self.wall_s += seconds + set_by_s


@pytest.mark.parametrize("set_by_s", [0.0, 3600.0, -3600.0])
def test_a_stamp_is_no_hour_older_for_a_clock_that_was_set(set_by_s):
    clocks = Clocks()
    stamps = Stamps(lambda: clocks.wall_s, lambda: clocks.steady_s)
    stamps.poll()
    stamp_s = clocks.wall_s
    clocks.pass_by(2.0, set_by_s=set_by_s)
    stamps.poll()
    assert stamps.age_s(stamp_s) == (2.0 if set_by_s >= 0 else 0.0)
    stamp_s = clocks.wall_s
    clocks.pass_by(1.0)
    assert stamps.age_s(stamp_s) == (0.0 if set_by_s > 0 else 1.0)
    stamps.poll()
    assert stamps.age_s(stamp_s) == 1.0, "the clock as it goes now is the only one"
