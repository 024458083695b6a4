"""Records: projection, censoring, and which trials may win."""

import math
from dataclasses import replace

import pytest

from tests.studies import make_record, report
from tuner.core.measurement import Status
from tuner.core.trial import TrialState


def test_a_stopped_trial_projects_to_the_full_budget_and_is_censored():
    record = make_record(curve=(0.2,), num_epochs=5, state=TrialState.STOPPED, epoch_time_s=1.5)
    assert record.time_s == 1.5
    assert record.projected_time_s == pytest.approx(7.5)
    assert record.is_censored
    assert not record.is_full_budget


def test_only_a_whole_undisturbed_complete_trial_is_full_budget():
    assert make_record().is_full_budget
    assert not make_record(resumed=True).is_full_budget
    assert not make_record(curve=(0.1,)).is_full_budget
    assert not make_record(state=TrialState.STOPPED).is_full_budget
    assert not make_record(state=TrialState.RUNNING).is_full_budget
    assert not make_record(curve=()).is_full_budget


def resumed_record(devices=("A100", "A100", "A100"), **more):
    """Three epochs; the last two after a checkpoint."""
    record = make_record(curve=(0.3, 0.2, 0.1), num_epochs=3, **more)
    reports = [
        replace(m, device=device, resumed=m.epoch > 1)
        for m, device in zip(record.measurements, devices, strict=True)
    ]
    return replace(record, measurements=tuple(reports), from_epoch=1)


def test_the_nrmse_of_a_resumed_trial_counts_and_it_may_not_win():
    record = resumed_record()
    assert record.is_whole
    assert record.is_timed
    assert not record.is_full_budget
    assert not resumed_record(state=TrialState.STOPPED).is_whole
    assert not make_record(resumed=True).is_whole, "nobody knows how it began"


@pytest.mark.parametrize("devices", [("A100", "H100", "H100"), ("", "", ""), ("", "A100", "A100")])
def test_a_trial_that_went_on_on_another_device_is_not_timed(devices):
    record = resumed_record(devices)
    assert record.is_whole
    assert not record.is_timed


def test_a_trial_that_was_to_go_on_and_reports_its_first_epoch_began_anew():
    going_on = make_record(curve=(0.3, 0.2), num_epochs=4, state=TrialState.RUNNING)
    going_on = replace(going_on, from_epoch=2)
    anew = going_on.observed(report(1, 0.4, 7.0))
    assert [(m.epoch, m.nrmse) for m in anew.measurements] == [(1, 0.4)]
    assert anew.from_epoch == 0
    assert [m.epoch for m in anew.observed(report(2, 0.3, 14.0)).measurements] == [1, 2]
    on = going_on.observed(report(3, 0.1, 3.0, resumed=True))
    assert [m.epoch for m in on.measurements] == [1, 2, 3]
    assert on.observed(report(1, 0.4, 7.0)) == on, "it has gone on"


def test_a_trial_that_runs_out_of_memory_before_it_went_on_began_anew():
    going_on = replace(make_record(curve=(0.3, 0.2), num_epochs=4, state=TrialState.RUNNING), from_epoch=2)
    oom = going_on.observed(report(1, float("nan"), 0.0, 0.0, status=Status.OOM))
    assert [m.status for m in oom.measurements] == [Status.OOM]


def test_the_same_report_twice_changes_nothing():
    record = make_record(curve=(0.2,), state=TrialState.RUNNING)
    again = record.observed(report(1, 0.2, 1.0))
    assert again == record
    later = record.observed(report(2, 0.15, 2.0))
    assert later.observed(report(1, 0.2, 1.0)) == later
    assert later.nrmse_curve == {1: 0.2, 2: 0.15}


def test_nothing_follows_a_report_that_is_not_ok():
    broken = make_record(curve=(0.2,), state=TrialState.RUNNING).observed(
        report(2, math.nan, 1.5, status=Status.NAN)
    )
    assert broken.observed(report(2, math.nan, 1.5, status=Status.NAN)) is broken
    assert broken.nrmse_curve == {1: 0.2}
    assert broken.epoch == 1
    assert not broken.ended(TrialState.COMPLETE).is_full_budget


def test_before_the_first_report_there_are_no_figures():
    record = make_record(curve=())
    assert (record.epoch, record.time_s, record.projected_time_s) == (0, 0.0, 0.0)
    assert math.isnan(record.nrmse)
