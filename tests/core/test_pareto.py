"""The front against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from tests.studies import make_record
from tuner.core.pareto import dominates, front, ranks
from tuner.core.trial import TrialState

STATES = st.sampled_from([TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED])
POINTS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), STATES), max_size=12)


PAIRS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=20)


def ranks_by_peeling(points):
    """A second implementation: takes front after front off what is left."""
    found, left, rank = {}, set(points), 0
    while left:
        peeled = {b for b in left if not any(dominates(a, b) for a in left)}
        found |= dict.fromkeys(peeled, rank)
        left, rank = left - peeled, rank + 1
    return [found[point] for point in points]


def records_of(points):
    return [
        make_record(f"{i:04d}", curve=(0.5, nrmse / 10), epoch_time_s=float(time), state=state)
        for i, (time, nrmse, state) in enumerate(points)
    ]


@given(POINTS)
def test_the_front_is_every_eligible_trial_that_none_dominates(points):
    """A second implementation, straight from the definition."""
    records = records_of(points)
    eligible = [r for r in records if r.state is TrialState.COMPLETE]

    def dominates(a, b):
        no_worse = a.time_s <= b.time_s and a.nrmse <= b.nrmse
        return no_worse and (a.time_s < b.time_s or a.nrmse < b.nrmse)

    expected = {b.trial_id for b in eligible if not any(dominates(a, b) for a in eligible)}
    assert {r.trial_id for r in front(records)} == expected


@given(POINTS)
def test_the_front_is_sorted_by_time_and_falls_in_nrmse(points):
    kept = front(records_of(points))
    assert kept == sorted(kept, key=lambda r: (r.time_s, -r.nrmse, r.trial_id))


def test_a_stopped_trial_never_joins_the_front():
    stopped = make_record("0002", curve=(0.001,), epoch_time_s=0.001, state=TrialState.STOPPED)
    assert front([make_record("0001"), stopped]) == [make_record("0001")]


def test_points_are_peeled_front_by_front():
    points = [(1, 5), (2, 2), (5, 1), (2, 6), (3, 3), (6, 2), (6, 6), (2, 2)]
    assert ranks(points) == [0, 0, 0, 1, 1, 1, 2, 0]


def test_no_points_have_no_ranks():
    assert ranks([]) == []


@given(PAIRS)
def test_the_ranks_are_those_of_repeated_peeling(points):
    assert ranks(points) == ranks_by_peeling(points)


@given(PAIRS, st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_points(points, random):
    order = random.sample(range(len(points)), len(points))
    assert ranks([points[k] for k in order]) == [ranks(points)[k] for k in order]
