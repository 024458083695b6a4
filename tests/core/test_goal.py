"""Judging a configuration's runs by objective, target and limits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.studies import make_record
from tuner.advisor.broken import why_unreported
from tuner.core.estimate import Estimate
from tuner.core.goal import (
    Goal,
    Objective,
    TimeToTarget,
    objective_at_best,
    projected_objective,
    time_to_target,
)
from tuner.core.limits import Limit
from tuner.core.objectives import Target
from tuner.core.trial import TrialRecord, TrialState

TARGET = Target.parse("nrmse < 0.1")


def trial(*curve: float, num_epochs: int | None = None, epoch_time_s: float = 2.0, **more) -> TrialRecord:
    return make_record(curve=curve, num_epochs=num_epochs or len(curve), epoch_time_s=epoch_time_s, **more)


def with_energy(record: TrialRecord, *totals_j: float | None) -> TrialRecord:
    pairs = zip(record.measurements, totals_j, strict=True)
    return replace(record, measurements=tuple(replace(m, energy_j=j) for m, j in pairs))


def pooled(*records: TrialRecord) -> Estimate:
    return Estimate(records=records)


@pytest.mark.parametrize(
    ("curve", "found"),
    [
        ((0.2, 0.09, 0.08), TimeToTarget(4.0, is_censored=False)),
        ((0.09, 0.2, 0.08), TimeToTarget(6.0, is_censored=False)),  # it was under once, but did not stay
        ((0.09, 0.09, 0.09), TimeToTarget(2.0, is_censored=False)),
        ((0.2, 0.09, 0.11), TimeToTarget(6.0, is_censored=True)),
        ((0.2, 0.2, 0.2), TimeToTarget(6.0, is_censored=True)),
    ],
)
def test_the_time_to_the_target_is_that_of_the_epoch_from_which_it_stays(curve, found):
    assert time_to_target(trial(*curve), 0.1) == found


def test_an_nrmse_equal_to_the_bound_is_under_it_only_where_the_bound_says_so():
    assert time_to_target(trial(0.2, 0.1), 0.1, is_strict=True) == (4.0, True)
    assert time_to_target(trial(0.2, 0.1), 0.1, is_strict=False) == (4.0, False)


def test_a_trial_without_a_report_has_no_time_to_the_target():
    assert time_to_target(trial(num_epochs=3), 0.1) is None


@given(st.lists(st.floats(0.01, 0.2), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_the_time_to_the_target_is_the_first_epoch_after_which_no_epoch_is_over_it(curve, threshold):
    """A second implementation, by trying every epoch."""
    found = time_to_target(trial(*curve), threshold)
    staying = [k for k in range(len(curve)) if all(nrmse < threshold for nrmse in curve[k:])]
    assert found is not None
    assert found.is_censored == (not staying)
    assert found.seconds == 2.0 * (staying[0] + 1 if staying else len(curve))


def test_the_objective_is_the_mean_of_its_runs():
    quick = with_energy(trial(0.2, 0.09, epoch_time_s=2.0), 10.0, 30.0)
    slow = with_energy(trial(0.09, 0.09, epoch_time_s=3.0), 20.0, 50.0)
    of = pooled(quick, slow)
    assert Goal(target=TARGET).value(of, None) == (4.0 + 6.0) / 2
    assert Goal(target=TARGET, objective=Objective.ENERGY).value(of, None) == (30.0 + 50.0) / 2
    assert Goal(target=TARGET, objective=Objective.TIME_TO_TARGET).value(of, None) == (4.0 + 3.0) / 2


def test_a_disturbed_run_does_not_count_for_time_where_there_is_an_undisturbed_one():
    disturbed = trial(0.2, 0.09, epoch_time_s=9.0)
    disturbed = replace(
        disturbed, measurements=tuple(replace(m, contended=True) for m in disturbed.measurements)
    )
    of = pooled(trial(0.2, 0.09), disturbed)
    assert Goal(target=TARGET).values(of, None) == (4.0,)
    assert Goal(target=TARGET, objective=Objective.TIME_TO_TARGET).values(of, None) == (4.0,)
    assert Goal(target=TARGET).values(pooled(disturbed), None) == (18.0,)


def test_energy_that_no_run_reported_is_unknown_and_one_run_is_enough():
    goal = Goal(target=TARGET, objective=Objective.ENERGY)
    silent = trial(0.2, 0.09)
    assert goal.value(pooled(silent), None) is None
    assert goal.value(pooled(silent, with_energy(silent, 1.0, 7.0)), None) == 7.0
    assert goal.value(pooled(with_energy(silent, 1.0, None)), None) is None


def test_the_time_to_a_relative_target_waits_for_the_baseline():
    goal = Goal(target=Target.parse("nrmse <= 1.1 * baseline"), objective=Objective.TIME_TO_TARGET)
    of = pooled(trial(0.105, 0.09))
    assert goal.value(of, None) is None
    assert goal.value(of, pooled(trial(0.3, 0.1))) == 2.0
    assert goal.value(of, pooled(trial(0.3, 0.09))) == 4.0


def test_the_margin_counts_for_the_time_to_the_target():
    goal = Goal(target=TARGET, objective=Objective.TIME_TO_TARGET)
    of = pooled(trial(0.095, 0.08))
    assert goal.value(of, None) == 2.0
    assert replace(goal, margin_pct=10.0).value(of, None) == 4.0


def test_a_run_that_never_got_there_makes_the_value_a_bound():
    goal = Goal(target=TARGET, objective=Objective.TIME_TO_TARGET)
    assert goal.is_censored(pooled(trial(0.2, 0.09), trial(0.2, 0.11)), None)
    assert not goal.is_censored(pooled(trial(0.2, 0.09)), None)
    assert not Goal(target=TARGET).is_censored(pooled(trial(0.2, 0.2)), None)


RUNNING = {"num_epochs": 5, "state": TrialState.RUNNING}


def test_at_best_every_epoch_left_costs_as_little_as_the_cheapest():
    running = with_energy(trial(0.2, 0.15, **RUNNING), 10.0, 14.0)
    assert objective_at_best(running, Objective.TIME, None) == 10.0
    assert objective_at_best(running, Objective.ENERGY, None) == 14.0 + 3 * 4.0
    assert objective_at_best(trial(0.2, 0.15, **RUNNING), Objective.ENERGY, None) is None


def test_at_best_a_trial_under_the_target_is_there_already_and_another_needs_one_more_epoch():
    assert objective_at_best(trial(0.2, 0.09, **RUNNING), Objective.TIME_TO_TARGET, 0.1) == 4.0
    assert objective_at_best(trial(0.2, 0.15, **RUNNING), Objective.TIME_TO_TARGET, 0.1) == 6.0
    assert objective_at_best(trial(0.2, 0.15, **RUNNING), Objective.TIME_TO_TARGET, None) is None


def test_as_it_goes_on_every_epoch_left_costs_the_mean_of_those_so_far():
    running = with_energy(trial(0.2, 0.15, **RUNNING), 10.0, 14.0)
    assert projected_objective(running, Objective.TIME, None) == 10.0
    assert projected_objective(running, Objective.ENERGY, None) == 35.0
    assert projected_objective(trial(0.2, **RUNNING), Objective.ENERGY, None) is None
    assert all(projected_objective(trial(**RUNNING), objective, 0.1) is None for objective in Objective)


def test_as_it_goes_on_a_target_not_reached_yet_is_reached_at_the_end():
    assert projected_objective(trial(0.2, 0.09, **RUNNING), Objective.TIME_TO_TARGET, 0.1) == 4.0
    assert projected_objective(trial(0.2, 0.15, **RUNNING), Objective.TIME_TO_TARGET, 0.1) == 10.0
    assert projected_objective(trial(0.2, 0.09, **RUNNING), Objective.TIME_TO_TARGET, None) == 10.0


def test_what_no_report_holds_is_told_with_its_fix_once_there_is_a_report():
    energy = Goal(target=TARGET, objective=Objective.ENERGY)
    assert why_unreported(energy, [trial(num_epochs=3)]) == ""
    assert why_unreported(energy, [trial(0.2)]) == (
        "objective energy_j: the device reports no energy. Fix: objective: time_s"
    )
    assert why_unreported(energy, [trial(0.2), with_energy(trial(0.2), 3.0)]) == ""
    limited = Goal(target=TARGET, limits=(Limit.parse("gpu_util_pct >= 50"),))
    assert why_unreported(limited, [trial(0.2)]) == (
        "the limit 'gpu_util_pct >= 50': the device reports no gpu_util_pct. Fix: drop it from limits"
    )
    assert why_unreported(Goal(target=TARGET), [trial(0.2)]) == ""
