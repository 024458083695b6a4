"""A sink that fails or hangs changes nothing of the other sinks."""

import signal
import time

import pytest

from tests.sinks.cases import PROVENANCE, a_result, records
from tests.studies import make_study
from tuner.sinks import Sink, guarded
from tuner.sinks.guarded import Sinks


class Kept(Sink):
    """Keeps what it is shown."""

    def __init__(self):
        self.calls = []

    def start(self, study, provenance, folder):
        self.calls.append(("start", study.name))

    def show(self, record):
        self.calls.append((record.trial_id, record.epoch))

    def finish(self, result):
        self.calls.append(("finish", result.status))


class Failing(Kept):
    def show(self, record):
        super().show(record)
        raise OSError("no space left\non the device")


class Hanging(Kept):
    """Takes being interrupted for a failed attempt, as libraries do that try again."""

    def show(self, record):
        super().show(record)
        while True:
            try:
                time.sleep(60)
            except Exception:  # noqa: S112
                continue


@pytest.fixture
def said():
    return []


def run(makers, folder, say):
    sinks = Sinks(makers, say)
    sinks.start(make_study(), PROVENANCE, folder)
    sinks.show(records())
    sinks.finish(a_result())
    return sinks


ALL = [
    ("start", "synthetic"),
    *((record.trial_id, record.epoch) for record in records()),
    ("finish", "recommended"),
]


def test_every_sink_hears_all_in_its_order(tmp_path, said):
    one, two = Kept(), Kept()
    run({"one": lambda: one, "two": lambda: two}, tmp_path, said.append)
    assert one.calls == two.calls == ALL
    assert said == []


def test_a_failing_sink_is_said_once_kept_and_switched_off(tmp_path, said):
    bad, good = Failing(), Kept()
    sinks = run({"bad": lambda: bad, "good": lambda: good}, tmp_path, said.append)
    assert len(bad.calls) == 2
    assert good.calls == ALL
    assert sinks.troubles == {"bad": "OSError: no space left"}
    assert said == ["bad is off from here on, and the run continues without it: OSError: no space left"]
    assert "raise OSError" in (tmp_path / "errors" / "output-bad.txt").read_text()


def test_one_that_cannot_even_be_made_is_no_different(tmp_path, said):
    def make():
        raise ImportError("no such module")

    good = Kept()
    run({"bad": make, "good": lambda: good}, tmp_path, said.append)
    assert said == ["bad is off from here on, and the run continues without it: ImportError: no such module"]
    assert good.calls == ALL


def test_a_hanging_sink_is_switched_off_after_its_time_and_the_others_go_on(tmp_path, said, monkeypatch):
    monkeypatch.setattr(guarded, "LIMIT_S", 0.4)
    stuck, good = Hanging(), Kept()
    begun = time.monotonic()
    run({"stuck": lambda: stuck, "good": lambda: good}, tmp_path, said.append)
    assert 0.4 <= time.monotonic() - begun < 5
    assert len(stuck.calls) == 2
    assert good.calls == ALL
    assert said == ["stuck is off from here on, and the run continues without it: no answer within 0 s"]
    assert "time.sleep(60)" in (tmp_path / "errors" / "output-stuck.txt").read_text(), "says where it hung"


def test_somebody_elses_timer_goes_on_after_a_call(tmp_path, said, monkeypatch):
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    left = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        run({"one": Kept}, tmp_path, said.append)
        time.sleep(0.6)
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *left)
    assert len(rung) == 1


def test_a_notice_is_said_once(tmp_path, said):
    sink = Kept()
    sink.notice = "offline from here on"
    run({"w": lambda: sink}, tmp_path, said.append)
    assert said == ["w: offline from here on"]
