"""Records: projection, censoring, and which trials may win."""

import math

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
