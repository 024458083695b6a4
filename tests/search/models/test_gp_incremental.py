"""Runs taken one at a time give what the posterior of all of them gives."""

from dataclasses import replace

import numpy as np
import pytest

from tests.search.models.cases import ORDERED_AND_NOT, settings, some_runs
from tuner.search.models.gp import Posterior, Runs
from tuner.search.models.gp_incremental import Field

ASKED = np.array([[0.1, 0.0], [0.5, 1.0], [0.9, 2.0], [0.5, 7.0], [2.0, 1.0]])


def first(runs: Runs, num: int) -> tuple[Runs, np.ndarray]:
    """The first runs with what they touch numbered from 0, and the seeds' names."""
    kept, point = np.unique(runs.point[:num], return_inverse=True)
    seeds, seed = np.unique(runs.seed[:num], return_inverse=True)
    few = Runs(
        points=runs.points[kept],
        point=point,
        seed=seed,
        value=runs.value[:num],
        error_variance=runs.error_variance[:num],
    )
    return few, seeds


def grown(runs: Runs, num_first: int, s=None) -> Field:
    few, seeds = first(runs, num_first)
    field = Field(s or settings(4), few, seeds, ORDERED_AND_NOT, ASKED, reference=1)
    for k in range(num_first, len(runs.value)):
        field.add(runs.points[runs.point[k]], int(runs.seed[k]), runs.value[k], runs.error_variance[k])
    return field


@pytest.mark.parametrize("num_first", [1, 4, 14])
@pytest.mark.parametrize("num_seeds", [1, 4, 30])
def test_a_field_that_grew_is_the_posterior_of_all_runs(num_first, num_seeds):
    """New points, new seeds, seeds shared by points, replicates, errors of their own."""
    runs = some_runs(3, num_points=12, num_runs=60, num_seeds=num_seeds)
    field, dense = grown(runs, num_first), Posterior(settings(4), runs, ORDERED_AND_NOT)
    mean, variance = dense.at(ASKED)
    assert field.mean == pytest.approx(mean, abs=1e-8)
    assert field.variance == pytest.approx(variance, rel=1e-5)
    apart, spread = dense.contrast(ASKED, ASKED[1])
    assert field.contrast[0] == pytest.approx(apart, abs=1e-8)
    assert field.contrast[1] == pytest.approx(spread, rel=1e-5, abs=1e-8)


def test_points_together_are_those_of_the_posterior():
    runs, rows = some_runs(3, num_points=12, num_runs=60), np.array([0, 2, 3])
    found, wanted = (
        grown(runs, 4).joint(rows),
        Posterior(settings(4), runs, ORDERED_AND_NOT).joint(ASKED[rows]),
    )
    assert found[0] == pytest.approx(wanted[0], abs=1e-8)
    assert found[1] == pytest.approx(wanted[1], abs=1e-8)


def test_a_thousand_updates_leave_no_error_that_matters():
    runs = some_runs(5, num_points=20, num_runs=1000, num_seeds=50)
    field, dense = grown(runs, 20), Posterior(settings(4), runs, ORDERED_AND_NOT)
    assert field.mean == pytest.approx(dense.at(ASKED)[0], abs=1e-7)
    assert field.variance == pytest.approx(dense.at(ASKED)[1], rel=1e-4)


def test_without_luck_seeds_mean_nothing():
    s = replace(settings(4), luck=np.zeros(4))
    runs = some_runs(1)
    other = replace(runs, seed=np.arange(len(runs.seed)))
    assert grown(runs, 5, s).mean == pytest.approx(grown(other, 5, s).mean, abs=1e-6)


def test_a_copy_takes_runs_without_the_original_knowing():
    runs = some_runs(2)
    field = grown(runs, 5)
    before = (field.mean.copy(), field.variance.copy(), field.contrast[1].copy())
    other = field.copy()
    for seed in (0, 1, 99):
        other.add(np.array([0.33, 1.0]), seed, 0.1)
        other.add(runs.points[0], seed, 0.1)
    assert (other.variance < before[1]).any()
    assert (field.mean == before[0]).all()
    assert (field.variance == before[1]).all()
    assert (field.contrast[1] == before[2]).all()
    field.add(runs.points[0], 0, 0.02)
    again = grown(runs, 5)
    again.add(runs.points[0], 0, 0.02)
    assert (field.mean == again.mean).all()


def test_pooled_values_give_the_mean_of_their_runs():
    """One seed without luck: the mean depends on each point's pooled value alone."""
    s = replace(settings(4), luck=np.zeros(4))
    runs = replace(some_runs(4, num_seeds=1), error_variance=np.zeros(15))
    field = grown(runs, 15, s)
    pooled = np.zeros((4, len(runs.points)))
    for k in range(len(runs.points)):
        pooled[:, field.row(runs.points[k])] = runs.value[runs.point == k].mean()
    assert field.mean_given(pooled) == pytest.approx(field.mean, abs=1e-7)
