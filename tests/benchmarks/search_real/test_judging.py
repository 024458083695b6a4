"""Real studies judged by the grid: what they cost, whether they told the truth, how good they are."""

import pytest

from benchmarks.search.tables import summary as search_summary
from benchmarks.search_real.judging import contenders, judge, summary, table
from benchmarks.search_real.studies import StudyRun
from benchmarks.search_real.truth import Grid, trained_key
from tests.benchmarks.search_real.test_truth import IN, NEAR, OUT, grid_of

BEST, OTHER, SLOW = (24, 12, 2, 1), (32, 32, 2, 1), (6, 3, 5, 1)


def study_run(recommended, *, seed=0, total_s=20.0):
    spent = {"baseline": 5.0, "search": total_s - 5.0}
    tried = frozenset({SLOW})
    return StudyRun(seed=seed, recommended=recommended, baseline_time_s=4.0, occupied_s=spent, tried=tried)


def judged(*runs):
    fresh, times_s = {BEST: 0.0940, OTHER: 0.0951, SLOW: 0.0912}, {BEST: 0.20, OTHER: 0.18, SLOW: 0.80}
    return judge(runs, 0.095, fresh, times_s, BEST, num_epochs=6)


def test_a_recommendation_over_the_target_on_fresh_seeds_is_a_lie_however_fast():
    good, lie, slow, nothing = judged(*(study_run(key) for key in (BEST, OTHER, SLOW, None)))
    assert (good.is_success, good.is_lie, good.time_ratio) == (True, False, 1.0)
    assert (lie.is_success, lie.is_lie) == (False, True)
    assert (slow.is_success, slow.is_lie) == (False, False)
    assert slow.time_ratio == pytest.approx(4.0)
    assert (nothing.is_success, nothing.is_lie, nothing.has_answer) == (False, False, False)


def test_the_cost_is_counted_in_trainings_of_the_baseline_and_of_the_optimum():
    [only] = judged(study_run(BEST, total_s=20.0))
    assert only.baseline_cost == pytest.approx(5.0)
    assert sum(only.shares.values()) == pytest.approx(only.baseline_cost)
    assert only.cost == pytest.approx(20.0 / (6 * 0.20))


def test_the_line_counts_a_study_without_a_recommendation_as_a_miss():
    outcomes = judged(study_run(BEST, total_s=16), study_run(None, seed=1), study_run(OTHER, seed=2))
    line = summary(outcomes)
    assert line["real_stage_cost_in_baseline_trainings"][0] == 5.0
    assert line["truly_feasible_pct"] == line["within_10pct_pct"] == pytest.approx(100 / 3)
    assert line["num_master_seeds"] == 3


def test_real_runs_fill_the_key_of_the_search_benchmark():
    line = search_summary(judged(study_run(BEST), study_run(BEST, seed=1)))
    assert line["real_stage_cost_in_baseline_trainings"] == [5.0, 5.0, 5.0]
    assert line["held_out"]["lies_pct"] is None, "real runs are not of the simulated sets"


def test_contenders_are_feasible_and_close_to_the_best():
    grid = grid_of({IN: (0.0930,), OUT: (0.0990,), NEAR: (0.0949,)})
    times_s = {trained_key(OUT): 0.1, (24, 12, 2, 1): 0.20, (24, 24, 2, 1): 0.25, trained_key(NEAR): 0.22}
    assert contenders(grid, times_s) == [(24, 12, 2, 1), trained_key(NEAR)]
    assert contenders(Grid(groups={}, limit=0.095), times_s) == []


def test_the_table_marks_what_is_over_the_target():
    runs = [study_run(BEST), study_run(OTHER, seed=1), study_run(None, seed=2)]
    lines = table(runs, judged(*runs), {BEST: 0.094, OTHER: 0.0951}).splitlines()
    assert lines[2] == "| 0 | 24, 12, 2, 1 | 0.09400 | 1.00 | 5.00 | baseline 1.25, search 3.75 |"
    assert "OVER THE TARGET" in lines[3]
    assert "nothing" in lines[4]
