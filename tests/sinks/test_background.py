"""A sink that fails or hangs changes nothing of the run and nothing of the other sinks."""

import threading
import time

import pytest

from tests.sinks.cases import PROVENANCE, a_result, records
from tests.studies import make_record, make_study
from tuner.core.trial import TrialState
from tuner.sinks import Sink, Sinks, background


class Kept(Sink):
    """Keeps what it is shown."""

    def __init__(self):
        self.calls = []
        self.gate = threading.Event()
        self.gate.set()

    def start(self, study, provenance, folder):
        self.calls.append(("start", threading.current_thread().name))

    def show(self, record):
        self.gate.wait()
        self.calls.append((record.trial_id, record.epoch))

    def finish(self, result):
        self.calls.append(("finish", result.status))


class Failing(Kept):
    def show(self, record):
        super().show(record)
        raise OSError("no space left\non the device")


@pytest.fixture
def said():
    return []


def run(makers, folder, say):
    sinks = Sinks(makers, say)
    sinks.start(make_study(), PROVENANCE, folder)
    for record in records():
        sinks.show(record)
    return sinks


def test_every_sink_has_a_thread_of_its_own_and_hears_all(tmp_path, said):
    one, two = Kept(), Kept()
    run({"one": lambda: one, "two": lambda: two}, tmp_path, said.append).finish(a_result())
    assert [one.calls[0], two.calls[0]] == [("start", "sink-one"), ("start", "sink-two")]
    heard = [*((r.trial_id, r.epoch) for r in records()), ("finish", "recommended")]
    assert one.calls[1:] == two.calls[1:] == heard
    assert said == []


def test_a_failing_sink_is_said_once_kept_and_switched_off(tmp_path, said):
    bad, good = Failing(), Kept()
    sinks = run({"bad": lambda: bad, "good": lambda: good}, tmp_path, said.append)
    sinks.finish(a_result())
    assert len(bad.calls) == 2
    assert len(good.calls) == len(records()) + 2
    assert sinks.troubles == {"bad": "OSError: no space left"}
    assert said == ["bad is off from here on, the run goes on without: OSError: no space left"]
    assert "raise OSError" in (tmp_path / "errors" / "output-bad.txt").read_text()


def test_one_that_cannot_even_be_made_is_no_different(tmp_path, said):
    def make():
        raise ImportError("no such module")

    run({"bad": make}, tmp_path, said.append).finish(a_result())
    assert said == ["bad is off from here on, the run goes on without: ImportError: no such module"]


def test_a_hanging_sink_delays_nothing_but_the_end_and_that_not_for_long(tmp_path, said, monkeypatch):
    monkeypatch.setattr(background, "FLUSH_S", 0.4)
    monkeypatch.setattr(background, "PATIENCE_S", 0.1)
    stuck, good = Kept(), Kept()
    stuck.gate.clear()
    begun = time.monotonic()
    sinks = run({"stuck": lambda: stuck, "good": lambda: good}, tmp_path, said.append)
    assert time.monotonic() - begun < 0.2
    sinks.finish(a_result())
    assert 0.4 <= time.monotonic() - begun < 1.5
    assert good.calls[-1] == ("finish", "recommended")
    assert said == [
        "writing to stuck, 0 s at most ...",
        "stuck: not written to the end; the run's own files are whole.",
    ]
    stuck.gate.set()


def test_a_slow_sink_is_shown_the_newest_record_of_a_trial_only(tmp_path, said):
    slow = Kept()
    slow.gate.clear()
    sinks = Sinks({"slow": lambda: slow}, said.append)
    sinks.start(make_study(), PROVENANCE, tmp_path)
    for epoch in range(1, 200):
        sinks.show(make_record(curve=[0.1] * epoch, num_epochs=300, state=TrialState.RUNNING))
    slow.gate.set()
    sinks.finish(a_result())
    shown = [call for call in slow.calls if call[0] == "0001"]
    assert shown[-1] == ("0001", 199)
    assert len(shown) <= 2


def test_epochs_that_follow_each_other_are_shown_together_and_the_end_waits_for_no_more(
    tmp_path, said, monkeypatch
):
    monkeypatch.setattr(background, "PACE_S", 60.0)
    sink = Kept()
    sinks = Sinks({"kept": lambda: sink}, said.append)
    sinks.start(make_study(), PROVENANCE, tmp_path)
    for epoch in (1, 2, 3):
        sinks.show(make_record(curve=[0.1] * epoch, num_epochs=4, state=TrialState.RUNNING))
        time.sleep(0.05)
    sinks.finish(a_result())
    assert sink.calls[1:] == [("0001", 3), ("finish", "recommended")]
    assert said == []


def test_a_notice_is_said_once(tmp_path, said):
    sink = Kept()
    sink.notice = "offline from here on"
    run({"w": lambda: sink}, tmp_path, said.append).finish(a_result())
    assert said == ["w: offline from here on"]
