"""Student's t, held against scipy's own test and against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tuner.core.paired_mean import MAX_PAIRS, POWER, PairedMean

DIFFERENCES = st.lists(st.floats(-10, 10), min_size=2, max_size=20).filter(lambda d: np.std(d) > 1e-3)


@given(DIFFERENCES, st.floats(-5, 5), st.sampled_from([0.05, 0.0125]))
def test_a_bound_lies_beyond_a_value_exactly_when_the_t_test_rejects_it(differences, value, level):
    seen = PairedMean.of(differences)
    p_greater = stats.ttest_1samp(differences, value, alternative="greater").pvalue
    p_less = stats.ttest_1samp(differences, value, alternative="less").pvalue
    if min(abs(p_greater - level), abs(p_less - level)) > 1e-6:
        assert (seen.lower(level) > value) == (p_greater < level)
        assert (seen.upper(level) < value) == (p_less < level)


def test_the_quantiles_are_those_of_the_tables():
    assert PairedMean(mean=0, sd=1, num=2).half_width(0.05) == pytest.approx(6.3138 / math.sqrt(2), rel=1e-4)
    assert PairedMean(mean=0, sd=1, num=10).half_width(0.025) == pytest.approx(
        2.2622 / math.sqrt(10), rel=1e-4
    )


def test_a_single_pair_bounds_nothing():
    seen = PairedMean.of([1.0])
    assert (seen.lower(0.05), seen.upper(0.05)) == (-math.inf, math.inf)
    assert seen.pairs_needed(0.0, 0.05) is None


def test_equal_differences_are_their_own_bound():
    seen = PairedMean.of([0.5, 0.5, 0.5])
    assert seen.lower(0.05) == seen.upper(0.05) == 0.5
    assert seen.pairs_needed(0.4, 0.05) == 2


def test_with_the_pairs_said_to_be_needed_the_bound_is_shown_about_as_often_as_promised():
    rng = np.random.default_rng(0)
    gap, sd = 1.0, 0.95
    needed = PairedMean(mean=-gap, sd=sd, num=5).pairs_needed(0.0, 0.05)
    runs = rng.normal(-gap, sd, size=(4000, needed))
    shown = np.mean([PairedMean.of(list(differences)).upper(0.05) < 0 for differences in runs])
    assert POWER - 0.03 <= shown <= POWER + 0.08  # n is a whole number


def test_what_lies_on_the_bound_cannot_be_decided_by_any_number_of_pairs():
    assert PairedMean(mean=0.0, sd=1.0, num=5).pairs_needed(0.0, 0.05) > MAX_PAIRS


def test_a_single_pair_says_nothing_of_how_many_it_takes():
    assert PairedMean.of([0.1]).pairs_needed(0.0, 0.05) is None
