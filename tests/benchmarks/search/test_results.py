"""The arithmetic of the search benchmark: costs, shares, intervals, ratios, budgets."""

import math

import pytest

from benchmarks.search.results import (
    LEAST_BUDGET,
    at_best_budget,
    cost_as_spent,
    cost_of_success,
    interval,
    lies_pct,
    load,
    near_success_pct,
    ratio,
    save,
    success_pct,
)
from tests.benchmarks.search.outcomes import outcome


def test_the_cost_of_a_success_as_spent_is_mean_cost_over_success_share():
    runs = [outcome(cost=10), outcome(cost=30, success=False)]
    assert cost_as_spent(runs) == 40.0
    assert success_pct(runs) == 50.0
    assert cost_as_spent([outcome(success=False)]) == math.inf


def test_a_failure_costs_the_budget_and_a_success_what_was_spent_until_it_stood():
    runs = [
        outcome(cost=50, budget=60, settled=20, right_since=15),
        outcome(cost=4, budget=60, success=False),
    ]
    assert cost_of_success(runs) == 75.0
    assert cost_as_spent(runs) == 54.0


def test_a_near_success_is_feasible_and_within_a_tenth():
    near, slow = (outcome(success=False, time_ratio=ratio) for ratio in (1.09, 1.11))
    lie = outcome(success=False, lie=True, time_ratio=0.9)
    assert near_success_pct([outcome(), near, slow, lie]) == 50.0


def test_lies_are_a_share_of_the_recommendations_not_of_the_runs():
    runs = [outcome(), outcome(success=False), outcome(success=False, lie=True)]
    assert lies_pct(runs) == 50.0
    assert lies_pct([outcome(success=False)]) == 0.0


def test_an_interval_holds_the_figure_and_narrows_with_runs():
    few, many = ([outcome(success=k % 2 == 0, seed=k) for k in range(n)] for n in (8, 200))
    wide, narrow = interval(few, success_pct), interval(many, success_pct)
    assert wide.low <= wide.value == 50.0 <= wide.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_single_runs_of_instances_still_have_an_interval():
    runs = [outcome(success=k < 3, instance=f"i{k}") for k in range(10)]
    found = interval(runs, success_pct)
    assert found.low < 30.0 < found.high


def test_a_ratio_says_how_many_times_more_a_success_costs_with_others():
    found = ratio([outcome(cost=40)] * 5, [outcome(cost=10)] * 5)
    assert (found.value, found.low, found.high) == (4.0, 4.0, 4.0)
    assert ratio([outcome(success=False)], [outcome()]).as_list() == [None, None, None]


def test_the_best_budget_is_chosen_where_something_is_feasible():
    answers = ((5.0, False, False, False), (20.0, True, False, True), (50.0, True, False, True))
    solvable = outcome(cost=50, answers=answers)
    impossible = outcome(cost=50, answers=((50.0, True, False, False),), is_solvable=False)
    [best] = at_best_budget([solvable, impossible])
    assert 20 <= best.cost < 23
    assert best.is_success
    given_up = solvable.ended_at(4.0)
    assert (given_up.is_success, given_up.has_answer, given_up.cost) == (False, False, 4.0)


def test_a_lucky_first_guess_is_no_best_budget():
    answers = ((1.0, True, False, True), (50.0, True, False, True))
    [best] = at_best_budget([outcome(cost=50, answers=answers)])
    assert best.cost == pytest.approx(LEAST_BUDGET)


def test_saved_outcomes_load_as_they_were(tmp_path):
    runs = [outcome(answers=((1.0, True, False, True),), shares={"search": 9.0}, time_ratio=1.02)]
    save(tmp_path / "o.jsonl", runs)
    save(tmp_path / "o.jsonl", runs)
    assert load(tmp_path / "o.jsonl") == runs * 2
