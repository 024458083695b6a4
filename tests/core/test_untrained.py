"""A trial that never left the untrained start did not train, and a start may meet the target."""

import math

import pytest

from tests.studies import make_record, report
from tuner.core.entrance import admit
from tuner.core.measurement import Measurement, Status
from tuner.core.objectives import Target
from tuner.core.trial import TrialState
from tuner.core.untrained import Start, starts, why_not_trained

START = 0.123456789012


def plain(epoch, nrmse, **more):
    values = {"status": "ok", "epoch": epoch, "nrmse": nrmse, "time_s": float(epoch), "epoch_time_s": 1.0}
    return values | more


def running(*curve, start=None, num_epochs=2):
    record = make_record(curve=(), num_epochs=num_epochs, state=TrialState.RUNNING)
    for epoch, nrmse in enumerate(curve, start=1):
        record = record.observed(report(epoch, nrmse, float(epoch), start_nrmse=start))
    return record


@pytest.mark.parametrize("value", [None, math.nan, math.inf, 0, 0.0, -0.1])
def test_a_start_that_is_no_nrmse_was_not_measured(value):
    assert Measurement.from_dict(plain(1, 0.1, start_nrmse=value)).start_nrmse is None


def test_a_start_is_kept_in_the_journal_and_an_old_journal_has_none():
    known = Measurement.from_dict(plain(1, 0.1, start_nrmse=1e13))
    assert known.start_nrmse == 1e13
    assert Measurement.from_dict(known.as_dict()) == known
    old = known.as_dict()
    del old["start_nrmse"]
    assert Measurement.from_dict(old).start_nrmse is None


@pytest.mark.parametrize(
    ("curve", "known", "is_trained"),
    [
        ({1: START, 2: START}, [START], False),
        ({4: START}, [START], False),
        ({4: 0.12345}, [0.3, 0.12345], False),
        ({1: START * (1 + 1e-11), 2: START}, [START], False),
        ({1: START, 2: START}, [], True),
        ({1: START, 2: 0.12345679}, [START], True),
        ({1: 0.2, 2: START}, [START], True),
        ({1: START, 2: START}, [START * (1 + 1e-8)], True),
        ({1: 0.1235, 2: 0.1235}, [0.1235], True),
        ({1: 1.0, 2: 1.0, 3: 1.0}, [1.0], True),
        ({}, [START], True),
    ],
)
def test_only_every_epoch_at_the_start_in_nine_digits_of_which_five_are_there_is_no_training(
    curve, known, is_trained
):
    assert (why_not_trained(curve, known) == "") == is_trained


def test_a_trial_that_did_not_train_is_infeasible_at_its_last_report_and_says_why():
    record = running(START, start=START)
    last = admit(plain(2, START, start_nrmse=START), record)
    assert (last.status, last.epoch) == (Status.NAN, 2)
    assert math.isnan(last.nrmse)
    why = "it did not train: its NRMSE after each of 2 reports is that of the untrained start, 0.123456789"
    assert last.error == why
    assert Measurement.from_dict(last.as_dict()).status is Status.NAN


def test_before_its_last_report_a_trial_may_still_train():
    assert admit(plain(1, START, start_nrmse=START), running()).status is Status.OK


def test_a_trial_without_a_start_of_its_own_is_held_against_those_of_others_and_one_with_it_is_not():
    assert admit(plain(2, START), running(START), starts={0.5: None, START: None}).status is Status.NAN
    own = admit(plain(2, START, start_nrmse=0.5), running(START, start=0.5), starts={START: None})
    assert own.status is Status.OK
    assert admit(plain(2, START), running(START)).status is Status.OK


def test_what_ran_out_of_memory_keeps_that_reason():
    values = plain(2, None, status="oom", error="CUDA", start_nrmse=START)
    assert admit(values, running(START, start=START)).error == "CUDA"


@pytest.mark.parametrize(
    ("target", "baseline", "start", "meets"),
    [
        ("nrmse < 0.095", None, 0.094, True),
        ("nrmse < 0.095", None, 0.095, False),
        ("nrmse <= 0.095", None, 0.095, True),
        ("nrmse <= 1.04 * baseline", None, 0.01, False),
        ("nrmse <= 1.04 * baseline", 0.1, 0.103, True),
        ("nrmse <= 1.04 * baseline", 0.1, 0.105, False),
    ],
)
def test_the_start_is_held_against_the_target_once_that_is_known(target, baseline, start, meets):
    found = Start.of([running(0.2), running(0.2, start=start)], Target.parse(target), baseline)
    assert found is not None
    assert (found.nrmse, found.meets_target) == (start, meets)


def test_without_a_start_nothing_is_said():
    assert Start.of([running(0.2)], Target.parse("nrmse < 1"), 0.1) is None
    assert not starts([running(0.2), running()])
