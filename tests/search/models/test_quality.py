"""Predictions of NRMSE: margins, what one more run changes, and that they are as sure as they should be."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from tuner.core.objectives import Target
from tuner.search.models.gp import Posterior, Runs
from tuner.search.models.quality import (
    JITTER,
    NUM_PARTICLES,
    GrowingQualityModel,
    Margins,
    Observation,
    QualityModel,
)

ABSOLUTE = Target.parse("nrmse < 0.095")
RELATIVE = Target.parse("nrmse <= 1.04 * baseline")
AS_BASELINE = Target.parse("nrmse <= baseline")
ORDERED = np.array([True, True])
GRID = np.array([[x, y] for x in np.linspace(0, 1, 5) for y in np.linspace(0, 1, 4)])
BASELINE = 0


def surface(points, rng):
    """A smooth additive law of log NRMSE, other each time."""
    a, b, c = rng.normal(0, 0.03, 3)
    bend = rng.uniform(-1, 1)
    return math.log(0.092) + a * points[:, 0] + b * (points[:, 1] - 0.5) + c * np.sin(bend + 2 * points[:, 0])


def observed(truth, rows, seeds, rng, noise=0.009, luck=0.004):
    of_seed = dict(zip(sorted(set(seeds)), luck * rng.standard_normal(len(set(seeds))), strict=True))
    return [
        Observation(row, seed, float(truth[row] + of_seed[seed] + noise * rng.standard_normal()))
        for row, seed in zip(rows, seeds, strict=True)
    ]


def some_model(seed=0, num=10):
    rng = np.random.default_rng(seed)
    truth = surface(GRID, rng)
    rows = [BASELINE, *rng.integers(len(GRID), size=num - 1).tolist()]
    return QualityModel(GRID, ORDERED, observed(truth, rows, list(range(num)), rng)), truth


def test_a_margin_under_an_absolute_target_is_the_log_of_how_far_nrmse_lies_below_it():
    runs = [Observation(3, seed, math.log(0.09)) for seed in range(8)]
    margins = QualityModel(GRID, ORDERED, runs).margins(GRID, ABSOLUTE, GRID[BASELINE])
    assert margins.mean[:, 3].mean() == pytest.approx(math.log(0.095 / 0.09), abs=0.005)
    assert margins.probability[3] > 0.99
    missed = QualityModel(GRID, ORDERED, runs).margins(GRID, Target.parse("nrmse < 0.085"), GRID[BASELINE])
    assert missed.probability[3] < 0.01


def test_under_a_relative_target_only_the_difference_to_the_baseline_counts():
    runs = [Observation(BASELINE, s, math.log(0.09)) for s in range(8)]
    runs += [Observation(7, s, math.log(0.0918)) for s in range(8)]
    margins = QualityModel(GRID, ORDERED, runs).margins(GRID, RELATIVE, GRID[BASELINE])
    doubled = [o._replace(value=o.value + math.log(2)) for o in runs]
    twice = QualityModel(GRID, ORDERED, doubled).margins(GRID, RELATIVE, GRID[BASELINE])
    assert margins.mean[:, 7].mean() == pytest.approx(math.log(1.04 / 1.02), abs=0.004)
    assert twice.mean == pytest.approx(margins.mean, abs=1e-9)
    assert twice.probability == pytest.approx(margins.probability, abs=1e-6)


def test_the_baselines_own_margin_at_factor_one_is_nothing_and_surely_so():
    model, _ = some_model()
    margins = model.margins(GRID, AS_BASELINE, GRID[BASELINE])
    assert (margins.mean[:, BASELINE] == 0.0).all()
    assert margins.variance[:, BASELINE].max() <= JITTER


def test_the_baseline_surely_meets_a_target_looser_than_itself_however_few_runs_it_has():
    model = QualityModel(GRID, ORDERED, [Observation(BASELINE, 0, math.log(0.09))])
    assert model.margins(GRID, RELATIVE, GRID[BASELINE]).probability[BASELINE] == pytest.approx(1.0)


def test_a_probability_is_the_mean_of_the_particles():
    model, _ = some_model()
    margins = model.margins(GRID, ABSOLUTE, GRID[BASELINE])
    assert margins.mean.shape == margins.variance.shape == (NUM_PARTICLES, len(GRID))
    by_hand = [ndtr(margins.mean[p] / np.sqrt(margins.variance[p])) for p in range(NUM_PARTICLES)]
    assert margins.probability == pytest.approx(np.mean(by_hand, axis=0))


@pytest.mark.parametrize("target", [ABSOLUTE, RELATIVE])
def test_one_more_run_lowers_the_variance_by_what_was_foretold(target):
    model, _ = some_model()
    margins = model.margins(GRID, target, GRID[BASELINE])
    nothing = np.zeros(len(GRID))
    after = margins.given_run(margins.mean.mean(axis=0), nothing)
    assert (after.variance <= margins.variance).all()
    lowered = margins.variance - after.variance
    others = np.arange(len(GRID)) != BASELINE
    assert lowered[:, others] == pytest.approx(margins.reduction(1)[:, others], rel=1e-6, abs=1e-9)
    doubtful = margins.given_run(margins.mean.mean(axis=0), nothing + 0.05**2)
    assert (doubtful.variance >= after.variance).all()


def test_one_more_run_moves_the_margin_towards_it():
    model, _ = some_model()
    margins = model.margins(GRID, ABSOLUTE, GRID[BASELINE])
    seen = margins.mean + 0.05
    after = margins.given_run(seen[0], np.zeros(len(GRID)))
    assert (after.mean[0] > margins.mean[0]).all()
    assert (after.mean[0] < seen[0]).all()


@pytest.mark.parametrize("target", [ABSOLUTE, RELATIVE])
def test_what_runs_would_teach_grows_with_their_number_and_never_exceeds_what_is_unknown(target):
    model, _ = some_model()
    margins = model.margins(GRID, target, GRID[BASELINE])
    for reduction in (margins.reduction, margins.paired_reduction):
        few, more, endless = reduction(1), reduction(4), reduction(10**6)
        assert (few <= more + 1e-15).all()
        assert (more <= endless + 1e-15).all()
        assert (endless <= margins.variance * (1 + 1e-9) + 1e-12).all()
        assert few.mean() < 0.9 * endless.mean()


def test_where_the_baseline_is_what_is_uncertain_only_runs_of_both_decide():
    runs = [Observation(BASELINE, 0, math.log(0.09))]
    runs += [Observation(7, s, math.log(0.0918)) for s in range(10)]
    margins = QualityModel(GRID, ORDERED, runs).margins(GRID, RELATIVE, GRID[BASELINE])
    assert margins.reduction(8)[:, 7].mean() < 0.5 * margins.paired_reduction(8)[:, 7].mean()


def test_a_reduction_is_what_the_model_finds_when_the_run_is_there():
    """Settings are held fixed: the particles' own variance before and after a run of a new seed."""
    rng = np.random.default_rng(4)
    truth = surface(GRID, rng)
    runs = observed(truth, [0, 3, 8, 8], [0, 0, 0, 1], rng)
    model = QualityModel(GRID, ORDERED, runs)
    before = model.margins(GRID, RELATIVE, GRID[BASELINE])
    posterior = Posterior(model.settings, model.runs, ORDERED)
    old = posterior._runs
    at = int(np.flatnonzero((old.points == GRID[8]).all(axis=1))[0])
    more = Runs(
        points=old.points,
        point=np.append(old.point, at),
        seed=np.append(old.seed, old.seed.max() + 1),
        value=np.append(old.value, 0.0),
        error_variance=np.append(old.error_variance, 0.0),
    )
    variance = Posterior(posterior.settings, more, ORDERED).contrast(GRID, GRID[BASELINE])[1][:, 8]
    assert before.variance[:, 8] - variance == pytest.approx(before.reduction(1)[:, 8], rel=1e-3)


def test_taking_candidates_keeps_their_margins():
    model, _ = some_model()
    margins = model.margins(GRID, RELATIVE, GRID[BASELINE])
    rows = np.array([4, 4, 1])
    assert margins.take(rows).probability == pytest.approx(margins.probability[rows])


def test_partial_runs_count_for_less_than_full_ones():
    full = [Observation(5, 0, math.log(0.09)), Observation(9, 0, math.log(0.10))]
    partial = [o._replace(error_variance=0.1**2) for o in full]
    sure, unsure = (
        QualityModel(GRID, ORDERED, runs).margins(GRID, ABSOLUTE, GRID[BASELINE]) for runs in (full, partial)
    )
    assert sure.probability[5] > unsure.probability[5]
    assert sure.probability[9] < unsure.probability[9]


def test_the_order_of_observations_means_nothing():
    rng = np.random.default_rng(2)
    runs = observed(surface(GRID, rng), [0, 3, 8, 8, 12], [0, 0, 0, 1, 0], rng)
    one, other = (
        QualityModel(GRID, ORDERED, some).margins(GRID, ABSOLUTE, GRID[BASELINE])
        for some in (runs, [runs[k] for k in (3, 0, 4, 2, 1)])
    )
    assert other.probability == pytest.approx(one.probability, abs=1e-9)


@pytest.mark.parametrize("target", [ABSOLUTE, RELATIVE])
def test_margins_are_off_by_as_much_as_they_say(target):
    """z-scores of true margins over many laws and draws: neither overconfident nor timid."""
    scores, surely, kept = [], 0, 0
    for seed in range(60):
        model, truth = some_model(seed, num=8)
        margins = model.margins(GRID, target, GRID[BASELINE])
        bound = math.log(target.bound) + (truth[BASELINE] if target.is_relative else 0.0)
        mean, within = margins.mean.mean(axis=0), margins.mean.var(axis=0) + margins.variance.mean(axis=0)
        others = np.arange(1, len(GRID))
        scores.append((bound - truth - mean)[others] / np.sqrt(within[others]))
        is_sure = margins.probability > 0.95
        surely += is_sure.sum()
        kept += (is_sure & (truth < bound + 1e-12)).sum()
    assert 0.5 < np.std(scores) < 1.5
    assert surely > 100
    assert kept / surely > 0.93


@pytest.mark.parametrize("target", [ABSOLUTE, RELATIVE])
def test_margins_drawn_together_meet_the_target_as_often_as_each_is_said_to(target):
    model, _ = some_model()
    margins = model.margins(GRID, target, GRID[BASELINE])
    rows = np.array([1, 6, 11, 19])
    drawn = model.draws(GRID[rows], target, GRID[BASELINE], 16_000)
    assert len(drawn) >= 16_000
    assert (drawn > 0).mean(axis=0) == pytest.approx(margins.probability[rows], abs=0.02)


@pytest.mark.parametrize("target", [ABSOLUTE, RELATIVE])
def test_a_model_that_grows_draws_as_one_that_does_not(target):
    rng = np.random.default_rng(2)
    truth = surface(GRID, rng)
    observations = observed(truth, [BASELINE, 3, 7, 12, 17], list(range(5)), rng)
    rows = np.array([2, 7, 15])
    dense = QualityModel(GRID, ORDERED, observations, num_asked=len(GRID))
    growing = GrowingQualityModel(GRID, ORDERED, observations, GRID, BASELINE)
    wanted = dense.draws(GRID[rows], target, GRID[BASELINE], 64)
    assert growing.draws(rows, target, 64) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("num_runs", [1, 5])
def test_runs_of_the_baseline_lower_a_margins_variance_as_conditioning_on_their_mean_does(num_runs):
    """A second implementation: the joint covariance of candidate and baseline, given the mean of new runs."""
    joint, noise = np.array([[2.0, 0.6], [0.6, 3.0]]), 0.5  # candidate, baseline
    to_margin = np.array([-1.0, 1.0])
    margins = Margins(
        mean=np.zeros((1, 1)),
        variance=np.array([[to_margin @ joint @ to_margin]]),
        own_variance=joint[:1, :1],
        own_covariance=np.array([[joint[0] @ -to_margin]]),
        noise_variance=np.array([noise]),
        private_variance=np.array([noise]),
    )
    for seen, reduction in ((1, margins.baseline_reduction), (0, margins.reduction)):
        gain = joint[:, seen] / (joint[seen, seen] + noise / num_runs)
        after = joint - np.outer(gain, joint[seen])
        expected = margins.variance[0, 0] - to_margin @ after @ to_margin
        assert reduction(num_runs)[0, 0] == pytest.approx(expected)


def test_runs_of_the_baseline_tell_of_a_relative_target_alone_and_most_where_it_ran_once():
    runs = [Observation(BASELINE, 0, math.log(0.09)), *(Observation(7, s, math.log(0.092)) for s in range(9))]
    model = QualityModel(GRID, ORDERED, runs)
    assert model.margins(GRID, ABSOLUTE, GRID[BASELINE]).baseline_reduction(3).max() < 1e-9
    relative = model.margins(GRID, RELATIVE, GRID[BASELINE])
    assert (relative.baseline_reduction(3)[:, 7] > relative.reduction(3)[:, 7]).all()
    assert relative.baseline_reduction(3)[:, BASELINE].max() < 1e-9
