import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scheduling.records import record
from tuner.core.measurement import Measurement, Status
from tuner.core.trial import TrialState
from tuner.scheduling import project

FINISHED = [
    record([0.2, 0.16, 0.1], [1, 1, 1]),  # ratios 0.5 at epoch 1, 0.625 at epoch 2
    record([0.2, 0.15, 0.12], [1, 1, 1]),  # 0.6, 0.8
    record([0.1, 0.1, 0.07], [1, 1, 1]),  # 0.7, 0.7
]
positive = st.floats(1e-3, 1e3)


def test_nrmse_is_projected_with_the_median_ratio_of_finished_curves() -> None:
    projection = project(record([0.3, 0.2], [2, 2], num_epochs=3), FINISHED)
    assert projection is not None
    assert projection.nrmse == pytest.approx(0.2 * 0.7)
    assert projection.num_curves == 3


def test_the_ratio_is_that_of_the_epoch_the_trial_has_reached() -> None:
    projection = project(record([0.3], [2], num_epochs=3), FINISHED)
    assert projection is not None
    assert projection.nrmse == pytest.approx(0.3 * 0.6)


def test_the_optimistic_nrmse_is_under_what_the_lowest_ratio_gives() -> None:
    projection = project(record([0.3, 0.2], [2, 2], num_epochs=3), FINISHED)
    assert projection is not None
    assert projection.nrmse_optimistic == pytest.approx(0.2 * 0.625 * 0.9)


@given(st.integers(1, 30), st.integers(1, 30))
def test_more_curves_of_one_kind_bring_the_optimistic_bound_closer(few: int, more: int) -> None:
    trial = record([0.2], [1], num_epochs=2)
    curve = record([0.2, 0.1], [1, 1])
    low, high = (project(trial, [curve] * n) for n in sorted((few, few + more)))
    assert low is not None
    assert high is not None
    assert low.nrmse_optimistic < high.nrmse_optimistic < 0.1


def test_time_is_the_mean_epoch_times_all_epochs() -> None:
    projection = project(record([0.3, 0.2], [2, 4], num_epochs=6), [])
    assert projection is not None
    assert projection.time_s == pytest.approx(18)


def test_without_a_finished_curve_nrmse_stands_and_nothing_is_ruled_out() -> None:
    projection = project(record([0.3, 0.2], [2, 4], num_epochs=6), [])
    assert projection is not None
    assert (projection.nrmse, projection.nrmse_optimistic) == (0.2, 0.0)
    assert projection.num_curves == 0


def test_without_a_good_epoch_there_is_no_projection() -> None:
    assert project(record([], [], num_epochs=3), FINISHED) is None


@given(st.lists(positive, min_size=1, max_size=6), st.data())
def test_a_full_budget_trial_projects_to_itself(curve: list[float], data: st.DataObject) -> None:
    times = data.draw(st.lists(positive, min_size=len(curve), max_size=len(curve)))
    trial = record(curve, times)
    projection = project(trial, FINISHED)
    assert projection is not None
    assert projection.nrmse == projection.nrmse_optimistic == trial.nrmse
    assert projection.time_s == pytest.approx(trial.time_s)


@given(st.lists(positive, min_size=2, max_size=6), st.lists(positive, min_size=2, max_size=8))
def test_a_proportional_law_is_learned_exactly(law: list[float], scales: list[float]) -> None:
    *known, mine = scales
    finished = [record([scale * g for g in law], [1.0] * len(law)) for scale in known]
    for epoch in range(1, len(law)):
        partial = [mine * g for g in law[:epoch]]
        projection = project(record(partial, [1.0] * epoch, num_epochs=len(law)), finished)
        assert projection is not None
        assert projection.nrmse == pytest.approx(mine * law[-1])
        assert projection.nrmse_optimistic < mine * law[-1]


@pytest.mark.parametrize(
    "useless",
    [
        record([0.2, 0.1], [1, 1], state=TrialState.STOPPED),
        record([0.2], [1], num_epochs=3, state=TrialState.STOPPED),
        record([0.2, 0.1, 0.05], [1, 1, 1], resumed=True),
        record([0.2, 0.1], [1, 1]),
        record([0.0, 0.0, 0.0], [1, 1, 1]),
    ],
    ids=["stopped", "partial", "resumed", "other budget", "zero"],
)
def test_only_full_budget_curves_of_the_same_length_teach(useless: object) -> None:
    projection = project(record([0.2], [1], num_epochs=3), [useless])  # type: ignore[list-item]
    assert projection is not None
    assert projection.num_curves == 0


def test_a_trial_that_diverged_projects_from_its_last_good_epoch() -> None:
    trial = record([0.3, 0.2], [2, 2], num_epochs=3).observed(
        Measurement(status=Status.NAN, epoch=2, nrmse=math.nan, time_s=5, epoch_time_s=1)
    )
    projection = project(trial, FINISHED)
    assert projection is not None
    assert projection.nrmse == pytest.approx(0.2 * 0.7)
