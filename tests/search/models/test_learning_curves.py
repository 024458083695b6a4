"""Partial curves predict their end, once finished ones have been seen."""

import math

import numpy as np
import pytest

from tuner.search.models.learning_curves import ERROR_SD, MIN_CURVES, CurveModel

NUM_EPOCHS = 4


def curves(num: int, shape, *, noise: float = 0.0, seed: int = 0):
    """Points on two axes and log NRMSE by epoch: a final value, and `shape(point, epochs left)` above it."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(size=(num, 2))
    final = -2.4 + 0.1 * points[:, 1] + 0.01 * rng.standard_normal(num)
    table = np.array(
        [
            [
                final[k]
                + shape(points[k], NUM_EPOCHS - epoch)
                + noise * (epoch < NUM_EPOCHS) * rng.standard_normal()
                for epoch in range(1, NUM_EPOCHS + 1)
            ]
            for k in range(num)
        ]
    )
    return points, table


def falling(point, left):
    return 0.2 * left


def crossing(point, left):
    """A law by which curves that lie high on the first axis dip early and gain nothing later."""
    return left * (0.15 - 0.12 * point[0])


def test_fewer_than_three_curves_say_nothing():
    points, table = curves(MIN_CURVES, falling)
    assert CurveModel(points[:-1], table[:-1]).extrapolate(points[0], 2) is None
    assert CurveModel(points, table).extrapolate(points[0], 2) is not None


def test_no_curve_at_all_says_nothing():
    assert CurveModel(np.empty((0, 2)), np.empty((0, NUM_EPOCHS))).extrapolate(np.zeros(2), 1) is None


def test_what_curves_fall_from_an_epoch_on_is_learnt_for_each_epoch():
    points, table = curves(10, falling, noise=0.005)
    model = CurveModel(points, table)
    for epoch in (1, 2, 3):
        found = model.extrapolate(np.array([0.5, 0.5]), epoch)
        assert found.shift == pytest.approx(-0.2 * (NUM_EPOCHS - epoch), abs=0.02)


def test_after_the_last_epoch_nothing_is_left_to_expect():
    points, table = curves(5, falling)
    assert CurveModel(points, table).extrapolate(points[0], NUM_EPOCHS) is None


def test_curves_that_cross_are_told_apart_by_where_they_lie():
    points, table = curves(20, crossing, noise=0.003)
    model = CurveModel(points, table)
    low, high = (model.extrapolate(np.array([x, 0.5]), 1) for x in (0.0, 1.0))
    assert low.shift == pytest.approx(-0.45, abs=0.04)
    assert high.shift == pytest.approx(-0.09, abs=0.04)


def test_the_size_of_the_error_is_learnt():
    for noise in (0.01, 0.05, 0.15):
        points, table = curves(150, falling, noise=noise)
        found = CurveModel(points, table).extrapolate(np.array([0.5, 0.5]), 2)
        assert math.sqrt(found.variance) == pytest.approx(noise, rel=0.5)


def test_epochs_that_mislead_count_for_little_and_later_ones_for_more():
    rng = np.random.default_rng(3)
    points, table = curves(12, falling, noise=0.004)
    table[:, 0] = -2.0 + 0.25 * rng.standard_normal(12)  # the first epoch has nothing to do with the end
    model = CurveModel(points, table)
    first, third = (model.extrapolate(np.array([0.5, 0.5]), epoch).variance for epoch in (1, 3))
    assert math.sqrt(first) > 0.15
    assert third < first / 50


def test_few_curves_that_happen_to_agree_are_not_believed_to_the_last_digit():
    points, table = curves(MIN_CURVES, falling)
    found = CurveModel(points, table).extrapolate(points.mean(axis=0), 1)
    assert math.sqrt(found.variance) > ERROR_SD / 2


def test_far_from_what_was_seen_less_is_known():
    points, table = curves(6, crossing, noise=0.01)
    model = CurveModel(0.3 * points, table)
    near, far = (model.extrapolate(np.array(point), 1).variance for point in ([0.15, 0.15], [1.0, 1.0]))
    assert far > near


def test_a_curve_without_that_epoch_is_left_out():
    points, table = curves(6, falling)
    gappy = table.copy()
    gappy[0, 1] = np.nan
    found = CurveModel(points, gappy).extrapolate(points[0], 2)
    without = CurveModel(points[1:], table[1:]).extrapolate(points[0], 2)
    assert (found.shift, found.variance) == pytest.approx((without.shift, without.variance))


def test_errors_are_as_large_as_said():
    """The z-scores of held-out curves have a standard deviation near 1 if their error depends on nothing."""
    scores = []
    for seed in range(40):
        points, table = curves(9, crossing, noise=0.02, seed=seed)
        model = CurveModel(points[:-1], table[:-1])
        found = model.extrapolate(points[-1], 2)
        scores.append((table[-1, -1] - table[-1, 1] - found.shift) / math.sqrt(found.variance))
    assert 0.5 < np.std(scores) < 1.3
    assert abs(np.mean(scores)) < 0.5
