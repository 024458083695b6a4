"""What the bridge makes of many trials that end at once."""

import math
from asyncio import CancelledError

import pytest

from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.core.trial import TrialState
from tuner.ray_adapter.bridge import MAX_ELSEWHERE, Bridge
from tuner.ray_adapter.silence import PATIENCE, Silence
from tuner.runs.journal import Journal
from tuner.runs.journaled import JournaledAdvisor


def test_a_signal_under_many_workers_is_not_taken_for_many_trials_on_another_device(tmp_path):
    num = MAX_ELSEWHERE + 3
    said = [""]
    advisor = Advisor(make_study(), num_workers=num)
    journal = Journal(tmp_path / "journal.jsonl")
    told = JournaledAdvisor(advisor, journal, lambda: 0.0)
    bridge = Bridge(told, lambda wanted: {}, lambda: said[0])
    with_baseline(bridge)
    assert bridge.error is None
    ids = [f"t{k}" for k in range(num)]
    asked = [ray_id for ray_id in ids if bridge.next_config(ray_id) is not None]
    assert len(asked) > MAX_ELSEWHERE
    said[0] = "interrupted by SIGTERM"
    for ray_id in asked:
        bridge.fail(ray_id)
    journal.close()
    assert bridge.error is None
    cut_short = [record for record in advisor.records if record.state is TrialState.DISCARDED]
    assert {record.reason for record in cut_short} == {"interrupted by SIGTERM"}
    assert len(cut_short) == len(asked)


def with_baseline(bridge):
    """Lets the baseline run to its end, before which no other worker is busy."""
    assert bridge.next_config("baseline") is not None
    for epoch in range(1, 7):
        nrmse = 0.1 - 0.002 * epoch
        report = {
            "status": "ok",
            "epoch": epoch,
            "nrmse": nrmse,
            "time_s": 0.01 * epoch,
            "epoch_time_s": 0.01,
        }
        if epoch < 6:
            assert not bridge.report("baseline", report)
    bridge.complete("baseline", report)


def test_a_resumed_run_knows_for_how_long_its_trials_may_be_silent(tmp_path):
    advisor = Advisor(make_study())
    journal = Journal(tmp_path / "journal.jsonl")
    told = JournaledAdvisor(advisor, journal, lambda: 0.0)
    before = Bridge(told, lambda wanted: {}, str)
    with_baseline(before)
    resumed, new = Bridge(told, lambda wanted: {}, str), Silence(PATIENCE)
    assert resumed.next_config("a") is not None
    new.begun("a")
    assert resumed._silence.limit_s("a") == PATIENCE.least_start_s
    assert new.limit_s("a") == math.inf
    journal.close()


@pytest.mark.parametrize("error", [KeyboardInterrupt("x"), SystemExit(0), GeneratorExit(), CancelledError()])
def test_what_a_plug_in_raises_is_kept_and_ends_the_trials_though_it_is_no_exception(error, tmp_path):
    advisor = Advisor(make_study())
    journal = Journal(tmp_path / "journal.jsonl")

    def raise_it(_):
        raise error

    bridge = Bridge(JournaledAdvisor(advisor, journal, lambda: 0.0), raise_it, str)
    assert bridge.next_config("a") is None
    journal.close()
    assert bridge.error is error
    assert bridge.is_finished
