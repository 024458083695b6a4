"""Beyond the first mark models grow; marks are set low here, so that short studies pass several."""

import json
from itertools import pairwise

import numpy as np
import pytest

from tests.advisor.test_properties import World, play
from tests.replay import recalled, replay
from tests.search.situations import BASELINE, FASTEST, OTHERS, problem, ran
from tuner.advisor.knowledge import Knowledge
from tuner.advisor.messages import Run, ask_as_dict
from tuner.search.models import fitted
from tuner.search.models.fitted import FIRST_MARK, NUM_EARLY, mark


@pytest.fixture
def low_marks(monkeypatch):
    monkeypatch.setattr(fitted, "FIRST_MARK", 4)
    monkeypatch.setattr(fitted, "EARLY_RATIO", 1.25)


def test_marks_begin_at_the_first_and_lie_a_tenth_apart_and_later_a_quarter():
    assert mark(FIRST_MARK - 1) == 0
    marks = sorted({mark(num) for num in range(1000)})
    assert marks[1] == FIRST_MARK
    assert all(1.1 <= b / a < 1.2 for a, b in pairwise(marks[1:]) if a < NUM_EARLY)
    assert all(1.25 <= b / a < 1.27 for a, b in pairwise(marks[1:]) if a >= NUM_EARLY)


def test_the_marks_of_one_model_come_a_trial_after_those_of_another():
    first = {mark(num) for num in range(1000)} - {0}
    assert {mark(num, later=1) for num in range(1001)} - {0} == {num + 1 for num in first}
    assert first.isdisjoint(num + 1 for num in first)


def told(num: int, *, looked: bool) -> Knowledge:
    knowledge = Knowledge(problem(target="nrmse <= 1.02 * baseline"))
    for k in range(num):
        config = (BASELINE, FASTEST, *OTHERS)[k % 7]
        knowledge.put(ran(config, 0.09 + 0.001 * (k % 7) + 0.0003 * (k % 3), k // 7))
        if looked:
            assert np.isfinite(knowledge.predictions.feasible).all()
            assert np.isfinite(knowledge.predictions.time_s).all()
    return knowledge


@pytest.mark.parametrize("num", [3, 4, 5, 7, 12, 30])
def test_beliefs_do_not_depend_on_whether_they_were_looked_at_before(low_marks, num):
    often, once = told(num, looked=True).predictions, told(num, looked=False).predictions
    assert (often.feasible == once.feasible).all()
    assert (often.time_s == once.time_s).all()
    assert (often.time_spread == once.time_spread).all()


def test_what_ended_after_a_mark_counts(low_marks):
    before, after = told(20, looked=False), told(20, looked=False)
    for seed in range(50, 53):
        after.put(ran(FASTEST, 0.2, seed))
    assert mark(20) == mark(23)
    assert after.predictions.probability(FASTEST) < 0.5 * before.predictions.probability(FASTEST)


WORLDS = [
    World(num_workers=4, noise=0.003, lost_share=0.15, draw=1),
    World(target="nrmse <= 1.05 * baseline", rows_that_fit=12, noise=0.003),
    World(num_workers=4, sampler="random", can_probe=False, noise=0.003),
]


@pytest.mark.parametrize("world", WORLDS)
def test_any_prefix_of_a_journal_over_marks_gives_the_next_answer(low_marks, world):
    events = play(world)[3]
    asks = [k for k, event in enumerate(events) if event["event"] == "ask"]
    assert sum(event["event"] == "tell" for event in events) > 6
    for cut in asks[3::3]:
        # What a sampler of Optuna drew before is not drawn again.
        for before in (replay, recalled) if world.sampler == "surrogate" else (replay,):
            following = before(events[:cut], world.advisor()).ask(events[cut]["elapsed_s"])
            assert json.loads(json.dumps(ask_as_dict(following))) == events[cut]["answer"]


@pytest.mark.parametrize("world", WORLDS)
def test_growing_models_run_only_legal_points_and_none_twice(low_marks, world):
    _, answers, last, _ = play(world)
    lattice = world.study().lattice
    assert last.reason
    assert all(lattice.why_not(a.config) is None for a in answers if isinstance(a, Run))
