"""The pooled posterior against a second implementation on single runs, and against closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.search.models.cases import ORDERED_AND_NOT, runs_of, settings, some_runs
from tuner.search.models.gp import Posterior
from tuner.search.models.gp_kernel import JITTER, point_variance


def kernel(s, p, a, b, is_ordered):
    """The kernel of particle `p` between two points, written out."""
    total, product = s.level**2, 1.0
    for k, ordered in enumerate(is_ordered):
        apart = abs(a[k] - b[k]) if ordered else 3.0 * (a[k] != b[k])
        scaled = math.sqrt(5) * apart / s.length[p, k]
        term = (1 + scaled + scaled**2 / 3) * math.exp(-scaled)
        total += s.amplitude[p, k] ** 2 * term
        product *= term
    is_same = tuple(a) == tuple(b)
    return total + s.interaction[p] ** 2 * product + s.own[p] ** 2 * is_same


def gram(s, p, a, b, is_ordered=ORDERED_AND_NOT):
    return np.array([[kernel(s, p, x, y, is_ordered) for y in b] for x in a])


def brute_force(s, p, runs, asked):
    """Mean and covariance of f at `asked` and the log density of the runs, one row and column a run."""
    at = runs.points[runs.point]
    same_seed = runs.seed[:, None] == runs.seed[None, :]
    noise = s.noise[p] ** 2 + runs.error_variance
    system = gram(s, p, at, at) + (s.luck[p] ** 2 + JITTER) * same_seed + np.diag(noise)
    cross = gram(s, p, asked, at)
    mean = cross @ np.linalg.solve(system, runs.value)
    covariance = gram(s, p, asked, asked) - cross @ np.linalg.solve(system, cross.T)
    density = -0.5 * (runs.value @ np.linalg.solve(system, runs.value) + np.linalg.slogdet(system)[1])
    return mean, covariance, density


ASKED = np.array([[0.1, 0.0], [0.5, 1.0], [0.9, 2.0], [0.5, 7.0], [2.0, 1.0]])


@pytest.mark.parametrize("seed", range(5))
def test_pooled_runs_give_the_posterior_of_single_runs(seed):
    s, runs = settings(6), some_runs(seed)
    posterior = Posterior(s, runs, ORDERED_AND_NOT)
    mean, variance = posterior.at(ASKED)
    for p in range(len(s)):
        wanted_mean, covariance, _ = brute_force(s, p, runs, ASKED)
        assert mean[p] == pytest.approx(wanted_mean, abs=1e-9)
        assert variance[p] == pytest.approx(np.diag(covariance), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_points_together_have_the_covariance_of_single_runs(seed):
    s, runs = settings(4), some_runs(seed)
    asked = np.concatenate([ASKED, runs.points[:2]])
    mean, covariance = Posterior(s, runs, ORDERED_AND_NOT).joint(asked)
    for p in range(len(s)):
        wanted_mean, wanted, _ = brute_force(s, p, runs, asked)
        assert mean[p] == pytest.approx(wanted_mean, abs=1e-9)
        assert covariance[p] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("num_seeds", [1, 4, 11, 60])
@pytest.mark.parametrize("seed", range(3))
def test_the_likelihood_is_that_of_single_runs_up_to_what_all_settings_share(seed, num_seeds):
    """One seed for all, few and many that points share, and some that they do not."""
    s, runs = settings(6), some_runs(seed, num_runs=90, num_seeds=num_seeds)
    found = Posterior(s, runs, ORDERED_AND_NOT).log_likelihood
    wanted = np.array([brute_force(s, p, runs, ASKED)[2] for p in range(len(s))])
    assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_a_contrast_is_the_difference_of_two_points_of_the_joint_posterior(seed):
    s, runs = settings(6), some_runs(seed)
    mean, variance = Posterior(s, runs, ORDERED_AND_NOT).contrast(ASKED, ASKED[1])
    for p in range(len(s)):
        wanted, joint, _ = brute_force(s, p, runs, ASKED)
        assert mean[p] == pytest.approx(wanted - wanted[1], abs=1e-9)
        of_difference = np.diag(joint) + joint[1, 1] - 2 * joint[:, 1]
        assert variance[p] == pytest.approx(np.maximum(of_difference, JITTER), rel=1e-5, abs=2e-9)


def test_a_point_against_itself_differs_by_nothing():
    mean, variance = Posterior(settings(4), some_runs(), ORDERED_AND_NOT).contrast(ASKED[:1], ASKED[0])
    assert (mean == 0.0).all()
    assert variance.max() <= JITTER


def test_what_seeds_share_cancels_in_a_contrast_of_paired_runs():
    s = replace(settings(1), luck=np.array([0.2]))
    points = np.repeat([[0.0, 0.0], [1.0, 1.0]], 3, axis=0)
    luck = np.array([0.4, -0.3, 0.1])
    value = np.concatenate([luck, luck + 0.02])
    paired = Posterior(s, runs_of(points, value, np.array([0, 1, 2] * 2)), ORDERED_AND_NOT)
    unpaired = Posterior(s, runs_of(points, value, np.arange(6)), ORDERED_AND_NOT)
    mean, variance = paired.contrast(points[3:4], points[0])
    assert mean[0, 0] == pytest.approx(0.02, abs=0.005)
    assert variance[0, 0] < 0.05 * unpaired.contrast(points[3:4], points[0])[1][0, 0]


def test_ten_equal_runs_are_one_run_with_a_tenth_of_the_variance():
    s = settings(3)
    quiet = replace(s, noise=s.noise / math.sqrt(10))
    point = np.array([[0.3, 1.0]])
    ten = runs_of(np.repeat(point, 10, axis=0), np.full(10, 0.04), np.zeros(10, dtype=int))
    one = runs_of(point, np.array([0.04]), np.zeros(1, dtype=int))
    many, single = Posterior(s, ten, ORDERED_AND_NOT), Posterior(quiet, one, ORDERED_AND_NOT)
    assert many.at(ASKED)[0] == pytest.approx(single.at(ASKED)[0], rel=1e-6)
    assert many.at(ASKED)[1] == pytest.approx(single.at(ASKED)[1], rel=1e-6)


def test_a_known_error_of_a_run_adds_to_its_noise():
    s = settings(3)
    louder = replace(s, noise=np.sqrt(s.noise**2 + 0.03**2))
    point, value, seed = np.array([[0.3, 1.0]]), np.array([0.04]), np.zeros(1, dtype=int)
    uncertain = Posterior(s, runs_of(point, value, seed, 0.03**2), ORDERED_AND_NOT)
    noisy = Posterior(louder, runs_of(point, value, seed), ORDERED_AND_NOT)
    assert uncertain.at(ASKED)[0] == pytest.approx(noisy.at(ASKED)[0])
    assert uncertain.at(ASKED)[1] == pytest.approx(noisy.at(ASKED)[1])


def test_more_runs_with_one_seed_never_say_more_than_that_seeds_luck_lets_them():
    s = replace(settings(1), luck=np.array([0.05]))
    point = np.array([[0.3, 1.0]])
    times = np.repeat(point, 200, axis=0)
    one_seed = Posterior(s, runs_of(times, np.zeros(200), np.zeros(200, dtype=int)), ORDERED_AND_NOT)
    all_seeds = Posterior(s, runs_of(times, np.zeros(200), np.arange(200)), ORDERED_AND_NOT)
    assert one_seed.at(point)[1][0, 0] > 0.9 * 0.05**2
    assert all_seeds.at(point)[1][0, 0] < 0.05**2 / 100


def test_the_order_of_categories_means_nothing():
    runs, s = some_runs(), settings(3)
    renamed = np.array([2.0, 0.0, 1.0])  # what was 0, 1, 2
    moved = replace(runs, points=np.column_stack([runs.points[:, 0], renamed[runs.points[:, 1].astype(int)]]))
    asked = ASKED[:3]
    asked_moved = np.column_stack([asked[:, 0], renamed[asked[:, 1].astype(int)]])
    before = Posterior(s, runs, ORDERED_AND_NOT).at(asked)
    after = Posterior(s, moved, ORDERED_AND_NOT).at(asked_moved)
    assert after[0] == pytest.approx(before[0], abs=1e-12)
    assert after[1] == pytest.approx(before[1])
    ordered = Posterior(s, runs, np.array([True, True])).at(asked)
    assert ordered[0] != pytest.approx(before[0], rel=1e-3)


def test_far_from_all_runs_nothing_but_the_level_is_known():
    s = settings(4)
    everywhere = np.array([True, True])
    variance = Posterior(s, some_runs(), everywhere).at(np.array([[1e6, 1e6]]))[1][:, 0]
    assert (variance >= point_variance(s) - s.level**2).all()
    assert (variance < point_variance(s)).all()


def test_the_order_of_the_runs_means_nothing():
    runs, s = some_runs(), settings(3)
    order = np.random.default_rng(0).permutation(len(runs.value))
    mixed = replace(
        runs,
        point=runs.point[order],
        seed=runs.seed[order],
        value=runs.value[order],
        error_variance=runs.error_variance[order],
    )
    one, other = Posterior(s, runs, ORDERED_AND_NOT), Posterior(s, mixed, ORDERED_AND_NOT)
    assert other.log_likelihood == pytest.approx(one.log_likelihood)
    assert other.at(ASKED)[0] == pytest.approx(one.at(ASKED)[0], abs=1e-12)
