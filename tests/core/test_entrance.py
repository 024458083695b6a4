"""A report is held against its trial before anything else sees it."""

from dataclasses import replace

import pytest

from tests.studies import make_record, report
from tuner.core.entrance import admit
from tuner.core.trial import TrialState
from tuner.errors import ReportError, WrongDeviceError

GOOD = {"status": "ok", "epoch": 3, "nrmse": 0.09, "time_s": 3.0, "epoch_time_s": 1.0, "device": "A100"}
RECORD = make_record(curve=(0.1, 0.095), num_epochs=4, state=TrialState.RUNNING)
"""Two epochs of one second."""


def test_the_next_epoch_is_let_in_as_it_is():
    assert admit(GOOD, RECORD, device="A100", wall_s=3.5) == report(
        3, 0.09, 3.0, 1.0, device="A100", peak_memory_gib=0.0
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"epoch": 2}, "reported epoch 2 again"),
        ({"epoch": 1}, "reported epoch 1 after epoch 2"),
        ({"epoch": 5}, "epoch 5 of a trial of 4 epochs"),
        ({"epoch": 10**20}, "epoch 100000000000000000000 of a trial of 4"),
        ({"time_s": 2.0}, "time_s=2 after 2: its clock does not rise"),
        ({"time_s": 1.0}, "time_s=1 after 2: its clock does not rise"),
        ({"time_s": 30.0}, "time_s=30 only 3.5 s after its start"),
        ({"status": "oom", "epoch": 1}, "reported epoch 1 after epoch 2"),
        ({"status": "oom", "time_s": 1.0}, "its clock does not rise"),
    ],
)
def test_what_does_not_follow_is_refused(change, what):
    with pytest.raises(ReportError, match=what):
        admit(GOOD | change, RECORD, wall_s=3.5)


GOING_ON = replace(RECORD, from_epoch=2)
"""The two epochs are those of a lost trial."""


def test_a_trial_that_goes_on_is_marked_and_its_clock_has_the_seconds_of_the_lost_one():
    long_ago = tuple(replace(m, time_s=1000.0 * m.epoch) for m in GOING_ON.measurements)
    record = replace(GOING_ON, measurements=long_ago)
    for said in (True, False):
        report = admit(GOOD | {"time_s": 2001.0, "resumed": said}, record, wall_s=1.5)
        assert (report.resumed, report.time_s) == (True, 2001.0)
    with pytest.raises(ReportError, match=r"time_s=30 only 1.5 s after its start"):
        admit(GOOD | {"time_s": 2030.0}, record, wall_s=1.5)
    with pytest.raises(ReportError, match="its clock does not rise"):
        admit(GOOD | {"time_s": 3.0}, record, wall_s=1.5)


def test_a_trial_that_was_to_go_on_may_begin_anew_and_is_not_marked():
    report = admit(GOOD | {"epoch": 1, "time_s": 0.5}, GOING_ON, wall_s=1.5)
    assert (report.epoch, report.resumed) == (1, False)
    with pytest.raises(ReportError, match=r"time_s=30 only 1.5 s after its start"):
        admit(GOOD | {"epoch": 1, "time_s": 30.0}, GOING_ON, wall_s=1.5)


def test_a_trial_that_has_gone_on_cannot_begin_anew():
    record = GOING_ON.observed(admit(GOOD, GOING_ON))
    with pytest.raises(ReportError, match="reported epoch 1 after epoch 3"):
        admit(GOOD | {"epoch": 1}, record)


def test_epochs_may_be_reported_together():
    assert admit(GOOD | {"epoch": 4}, RECORD).epoch == 4


def test_running_out_of_memory_in_the_next_epoch_needs_no_progress_of_the_clock():
    assert admit(GOOD | {"status": "oom", "time_s": 2.0}, RECORD).epoch == 3


def test_a_report_of_another_device_is_no_measurement_of_the_run():
    with pytest.raises(WrongDeviceError, match="ran on A100, but this run measures H100"):
        admit(GOOD, RECORD, device="H100")
