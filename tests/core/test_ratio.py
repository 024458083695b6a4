"""The ratio of two means, against another implementation and by what it promises."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from tuner.core.ratio import LogRatio


def test_near_one_it_is_welchs_test():
    """The delta method changes nothing for small scatter: scipy's test of the plain values agrees."""
    rng = np.random.default_rng(0)
    above, below = 1 + 1e-4 * rng.normal(size=5), 1 + 3e-4 * rng.normal(size=3)
    found = LogRatio.of(list(above), list(below))
    wanted = ttest_ind(above, below, equal_var=False)
    low, high = wanted.confidence_interval(0.95)
    assert found.freedom == pytest.approx(wanted.df, rel=1e-3)
    assert np.log(found.interval(0.05)) == pytest.approx([low, high], abs=1e-6)
    assert found.lower(0.025) == pytest.approx(low, abs=1e-6)


def test_its_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        above, below = 3 * np.exp(rng.normal(0, 0.05, 4)), np.exp(rng.normal(0, 0.02, 3))
        low, high = LogRatio.of(list(above), list(below)).interval(0.05)
        held += low < 3 * np.exp((0.05**2 - 0.02**2) / 2) < high
    assert 0.93 <= held / 2000 <= 0.98


@pytest.mark.parametrize(("above", "below"), [([1.0], [2.0, 3.0]), ([1.0, 2.0], [3.0]), ([], [])])
def test_a_single_run_of_either_has_no_error(above, below):
    assert LogRatio.of(above, below) is None


def test_values_without_scatter_are_their_own_bounds():
    found = LogRatio.of([4.0, 4.0], [2.0, 2.0])
    assert found.interval(0.05) == (pytest.approx(2.0), pytest.approx(2.0))
