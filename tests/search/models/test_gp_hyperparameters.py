"""Settings are learned from the data, and by nothing but the data."""

from dataclasses import replace

import numpy as np
import pytest

from tests.search.models.cases import ORDERED_AND_NOT, PRIOR, runs_of, some_runs
from tuner.search.models.gp import Posterior
from tuner.search.models.gp_hyperparameters import MAX_LEARNING_POINTS, infer_settings
from tuner.search.models.gp_kernel import draw_settings

FIELDS = ("amplitude", "length", "interaction", "noise", "luck")
NO_LUCK = replace(PRIOR, luck=(0.0, 0.0))
BOTH_ORDERED = np.array([True, True])


def replicates(
    noise: float, *, num_points: int = 8, num_each: int = 4, slope: float = 0.0, luck: float = 0.0
):
    """Runs with `num_each` seeds at points along the first axis."""
    rng = np.random.default_rng(1)
    points = np.repeat(
        np.column_stack([np.linspace(0, 1, num_points), np.zeros(num_points)]), num_each, axis=0
    )
    seed = np.tile(np.arange(num_each), num_points)
    of_seed = luck * rng.standard_normal(num_each)
    value = slope * points[:, 0] + of_seed[seed] + noise * rng.standard_normal(len(points))
    return runs_of(points, value - value.mean(), seed)


def infer(runs, prior=PRIOR, **more):
    return infer_settings(prior, runs, BOTH_ORDERED, num_particles=32, **more)


def test_the_same_runs_give_the_same_particles_whatever_was_inferred_before():
    first = infer(replicates(0.01))
    infer(replicates(0.05, num_points=5))
    again = infer(replicates(0.01))
    for name in FIELDS:
        assert (getattr(first, name) == getattr(again, name)).all()


def test_another_seed_gives_other_particles():
    assert (infer(replicates(0.01)).noise != infer(replicates(0.01), seed=1).noise).any()


def test_noise_is_learnt_from_replicates():
    for truth in (0.004, 0.012, 0.03):
        assert np.median(infer(replicates(truth), NO_LUCK).noise) == pytest.approx(truth, rel=0.35)


def test_what_seeds_share_is_told_from_what_they_do_not():
    lucky = infer(replicates(0.003, num_each=12, num_points=4, luck=0.02))
    unlucky = infer(replicates(0.02, num_each=12, num_points=4))
    assert np.median(lucky.luck) > 2 * np.median(unlucky.luck)
    assert np.median(lucky.noise) < 0.5 * np.median(unlucky.noise)


def test_what_an_axis_does_is_learnt_and_that_another_does_nothing():
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(20, 2))
    value = 0.15 * np.sin(3 * points[:, 0]) + 0.003 * rng.standard_normal(20)
    runs = runs_of(points, value - value.mean(), np.zeros(20, dtype=int))
    posterior = Posterior(infer(runs), runs, BOTH_ORDERED)
    along, half = np.linspace(0, 1, 9), np.full(9, 0.5)
    spread = [
        np.ptp(posterior.at(np.column_stack(line))[0].mean(axis=0)) for line in ((along, half), (half, along))
    ]
    assert spread[0] == pytest.approx(0.15, rel=0.2)
    assert spread[1] < 0.015


def test_particles_are_likelier_than_the_priors_draws():
    runs = replicates(0.03, slope=0.1)
    found = Posterior(infer(runs), runs, BOTH_ORDERED).log_likelihood.mean()
    drawn = Posterior(draw_settings(PRIOR, 2, 64, 0), runs, BOTH_ORDERED).log_likelihood
    assert found > np.quantile(drawn, 0.9)


def test_a_prior_without_luck_stays_without_it():
    assert (infer(replicates(0.01), NO_LUCK).luck == 0.0).all()


@pytest.mark.parametrize("name", FIELDS)
def test_a_run_that_says_nothing_leaves_the_prior_as_it_was(name):
    one = runs_of(np.array([[0.5, 0.0]]), np.array([0.0]), np.zeros(1, dtype=int))
    median, spread = getattr(PRIOR, name)
    drawn = [
        getattr(infer_settings(PRIOR, one, BOTH_ORDERED, num_particles=300, seed=seed), name).ravel()
        for seed in range(4)
    ]
    scaled = np.log(np.concatenate(drawn) / median) / spread
    assert np.mean(scaled) == pytest.approx(0.0, abs=0.15)
    assert np.std(scaled) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("num_points", [MAX_LEARNING_POINTS, MAX_LEARNING_POINTS + 1, 150])
def test_many_points_are_thinned_without_harm_to_the_shape_of_what_is_learnt(num_points):
    runs = some_runs(num_points=num_points, num_runs=2 * num_points, num_seeds=9)
    found = infer_settings(PRIOR, runs, ORDERED_AND_NOT, num_particles=4)
    assert found.amplitude.shape == found.length.shape == (4, 2)
    assert found.noise.shape == found.luck.shape == found.interaction.shape == (4,)
    mean, variance = Posterior(found, runs, ORDERED_AND_NOT).at(runs.points)
    assert mean.shape == variance.shape == (4, num_points)
    assert np.isfinite(mean).all()
    assert (variance > 0).all()


def test_thinning_does_not_change_what_is_learnt_of_noise():
    found = infer(replicates(0.03, num_points=120, num_each=2), NO_LUCK)
    assert np.median(found.noise) == pytest.approx(0.03, rel=0.35)
