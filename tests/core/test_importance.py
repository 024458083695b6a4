"""Shapley effects of the coordinates of a finite set of points, against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.core.importance import MAX_COORDINATES, importances


def grid(*sizes):
    return np.stack([axis.ravel() for axis in np.indices(sizes)], axis=1)


def test_of_a_sum_on_a_full_product_every_index_is_the_share_of_the_terms_variance():
    codes = grid(3, 4, 2)
    terms = [np.array([0.0, 1.0, 5.0]), np.array([1.0, 2.0, 2.0, 7.0]), np.array([3.0, 3.0])]
    found = importances(codes, sum(term[codes[:, k]] for k, term in enumerate(terms)))
    variances = np.array([term.var() for term in terms])
    for each, share in zip(found, variances / variances.sum(), strict=True):
        assert (each.shapley, each.alone, each.last) == pytest.approx((share, share, share), abs=1e-12)


def test_of_a_product_of_two_signs_each_explains_half_and_nothing_by_itself():
    codes = grid(2, 2)
    found = importances(codes, (2.0 * codes[:, 0] - 1) * (2.0 * codes[:, 1] - 1))
    for each in found:
        assert (each.shapley, each.alone, each.last) == pytest.approx((0.5, 0.0, 1.0), abs=1e-12)


def test_two_coordinates_that_are_always_equal_share_what_they_explain():
    codes = np.array([[0, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]])
    found = importances(codes, codes[:, 0].astype(float))
    assert [each.shapley for each in found] == pytest.approx([0.5, 0.5, 0.0], abs=1e-12)
    assert [each.alone for each in found] == pytest.approx([1.0, 1.0, 0.0], abs=1e-12)
    assert found[0].last == pytest.approx(0.0, abs=1e-12)


@given(st.data())
def test_shapley_effects_add_up_to_one_and_none_is_negative_whatever_is_excluded(data):
    codes = grid(3, 3, 2)
    kept = data.draw(st.lists(st.sampled_from(range(len(codes))), min_size=3, unique=True))
    values = data.draw(st.lists(st.integers(-50, 50), min_size=len(kept), max_size=len(kept)))
    found = importances(codes[kept], np.array(values, dtype=float))
    if found is None:
        assert len(set(values)) == 1
        return
    assert sum(each.shapley for each in found) == pytest.approx(1.0)
    assert min(each.shapley for each in found) >= -1e-9


def test_what_does_not_vary_has_no_importances():
    assert importances(grid(2, 2), np.full(4, 3.5)) is None


def test_too_many_coordinates_are_refused():
    with pytest.raises(ValueError, match="subsets"):
        importances(np.zeros((2, MAX_COORDINATES + 1), dtype=np.intp), np.array([0.0, 1.0]))
