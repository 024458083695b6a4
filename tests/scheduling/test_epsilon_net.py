"""The net against its definition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.scheduling.epsilon_net import epsilon_net

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


def test_a_line_is_ordered_from_its_fast_end_then_its_far_end_then_its_middle():
    points = [(0, 4), (1, 3), (2, 2), (3, 1), (4, 0)]
    assert epsilon_net(points) == [0, 4, 2, 1, 3]


def test_of_points_equally_far_the_lesser_comes_first():
    assert epsilon_net([(2, 0), (0, 2), (1, 1)]) == [1, 0, 2]


def test_figures_of_any_unit_weigh_the_same():
    """By seconds alone the middle point is nearest to the fast end; by both figures, to the slow one."""
    points = [(100.0, 0.4), (400.0, 0.3), (500.0, 0.1), (300.0, 0.15)]
    in_hours_and_percent = [(time_s / 3600, 100 * nrmse) for time_s, nrmse in points]
    assert epsilon_net(points) == epsilon_net(in_hours_and_percent) == [0, 2, 1, 3]


@pytest.mark.parametrize("points", [[], [(3.0, 0.1)], [(3.0, 0.1), (3.0, 0.1)]])
def test_what_leaves_no_choice_keeps_its_order(points):
    assert epsilon_net(points) == list(range(len(points)))


@given(POINTS)
def test_the_first_is_the_fastest_and_each_further_one_farthest_from_those_before(points):
    order = [points[k] for k in epsilon_net(points)]
    assert sorted(order) == sorted(points)
    if not points:
        return
    assert order[0] == min(points)
    spans = [max(column) - min(column) or 1 for column in zip(*points, strict=True)]

    def hole(point, before):
        return min(math.hypot((point[0] - b[0]) / spans[0], (point[1] - b[1]) / spans[1]) for b in before)

    for k in range(1, len(order)):
        holes = [hole(point, order[:k]) for point in order[k:]]
        assert holes[0] == pytest.approx(max(holes))


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_depends_on_the_set_alone(points, random):
    shuffled = random.sample(points, len(points))
    assert [shuffled[k] for k in epsilon_net(shuffled)] == [points[k] for k in epsilon_net(points)]
