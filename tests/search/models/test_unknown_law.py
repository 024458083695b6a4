"""A figure without a law: learned where it was reported, unsure where it was not."""

import numpy as np
import pytest

from tuner.search.models.unknown_law import SmoothModel, probability_below, scaled

POINTS = np.array([[x, y] for x in np.linspace(0, 1, 5) for y in np.linspace(0, 1, 4)])
ORDERED = np.array([True, True])
TRUE = 5.0 + 0.8 * POINTS[:, 0] - 0.3 * POINTS[:, 1] ** 2


def test_without_a_report_nothing_is_known():
    mean, spread = SmoothModel(POINTS, ORDERED, [], np.array([])).predict()
    assert (mean == 0).all()
    assert (spread == 1).all()


def test_an_additive_figure_is_learnt_from_a_few_candidates():
    rows = [0, 3, 7, 9, 12, 16, 19]
    mean, spread = SmoothModel(POINTS, ORDERED, rows, TRUE[rows]).predict()
    assert np.abs(mean - TRUE).max() < 0.15
    assert np.abs(mean - TRUE)[rows].max() < 0.03
    assert spread[rows].max() < np.delete(spread, rows).min()


def test_one_report_leaves_far_candidates_open():
    _, spread = SmoothModel(POINTS, ORDERED, [0], TRUE[:1]).predict()
    assert spread[-1] > 0.3
    assert spread[-1] > 3 * spread[0]


def test_what_is_known_to_be_rough_is_followed_less():
    rows, values = [0, 9, 19], np.array([0.0, 1.0, 0.0])
    sure, _ = SmoothModel(POINTS, ORDERED, rows, values).predict()
    rough, _ = SmoothModel(POINTS, ORDERED, rows, values, error_variance=np.full(3, 1.0)).predict()
    assert abs(rough[9]) < abs(sure[9])


def test_the_scale_is_logarithmic_for_large_figures_and_knows_zero():
    one, two, four, none = scaled(np.array([100.0, 200.0, 400.0, 0.0]), 100.0)
    assert two - one == pytest.approx(np.log(2), abs=1e-3)
    assert four - two == pytest.approx(np.log(2), abs=1e-3)
    assert none == 0
    assert np.isfinite(scaled(np.array([0.0, 1.0]), 0.0)).all()


def test_the_probability_to_be_below_a_bound_is_a_gaussians():
    found = probability_below(1.0, np.array([1.0, 0.0, 3.0]), np.array([0.5, 0.0, 1.0]))
    assert found == pytest.approx([0.5, 1.0, 0.02275], abs=1e-4)
