"""A report is held against its trial before anything else sees it."""

import math
import re
from dataclasses import replace

import pytest

from tests.studies import make_record, report
from tuner.core.entrance import admit
from tuner.core.measurement import Measurement, Status
from tuner.core.metric import Metric
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


NLL = Metric(name="nll", range="any").about(-3.2)
VAL_LOSS = Metric(name="val_loss")


def of_own(metric, value, **changes):
    rest = {name: told for name, told in GOOD.items() if name != "nrmse"}
    return admit(rest | {metric.name: value} | changes, RECORD, metric=metric, wall_s=3.5)


@pytest.mark.parametrize("value", [-3.3, 0, 0.0, 2.5])
def test_a_figure_of_any_range_is_put_on_the_scale_and_kept_as_it_was_reported(value):
    found = of_own(NLL, value)
    assert (found.nrmse, found.reported_quality) == (NLL.on_scale(value), value)
    assert Measurement.from_dict(found.as_dict()) == found  # as the journal holds it


def test_a_positive_figure_is_the_scale_itself():
    found = of_own(VAL_LOSS, 2.5)
    assert (found.nrmse, found.reported_quality) == (2.5, None)
    assert "reported_quality" not in found.as_dict()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, None])
@pytest.mark.parametrize("metric", [NLL, VAL_LOSS])
def test_a_figure_that_is_no_number_of_its_own_is_a_diverged_training(metric, value):
    found = of_own(metric, value)
    assert found.status is Status.NAN
    assert math.isnan(found.nrmse)
    assert found.error.startswith(f"{metric.name} is ")


@pytest.mark.parametrize(
    ("metric", "report", "told", "fix"),
    [
        (
            VAL_LOSS,
            {"val_loss": -0.5},
            "reported val_loss=-0.5, which must be more than 0",
            "metric.range: any",
        ),
        (VAL_LOSS, {"val_loss": 0}, "reported val_loss=0.0, which must be more than 0", "metric.range: any"),
        (NLL, {"nll": "low"}, "reported nll='low', which is not a number", "report nll as a number"),
        (NLL, {"nll": True}, "reported nll=True, which is not a number", "report nll as a number"),
        (NLL, {"nrmse": 0.1}, "lacks nll", "report it as nll, not as nrmse; or leave metric out"),
        (NLL, {}, "lacks nll", "return nll from every train() call"),
    ],
)
def test_a_figure_that_cannot_be_fails_the_trial_by_its_own_name(metric, report, told, fix):
    rest = {name: value for name, value in GOOD.items() if name != "nrmse"}
    with pytest.raises(ReportError, match=re.escape(told)) as raised:
        admit(rest | report, RECORD, metric=metric, wall_s=3.5)
    assert fix in raised.value.hint


def test_a_stage_cannot_say_what_is_kept_beside_the_scale():
    assert admit(GOOD | {"reported_quality": 7.0}, RECORD, wall_s=3.5).reported_quality is None


def test_a_trial_that_ran_out_of_memory_needs_no_figure():
    rest = {name: value for name, value in GOOD.items() if name != "nrmse"}
    assert admit(rest | {"status": "oom"}, RECORD, metric=NLL).status is Status.OOM
