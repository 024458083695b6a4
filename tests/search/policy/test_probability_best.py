"""A candidate stands as high as it is probable that nothing much better meets the target."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.search.situations import BASELINE, FASTEST, OTHERS, epoch_s, predictions, problem, ran
from tuner.search.policy.probability_best import LEAST, WITHIN, probability_best

ALL = np.inf


def made_up(objective, meets, *, margin=1.0, noise=0.01):
    """Candidates of their own quality each, with the margins of every draw given."""
    margins = np.where(np.asarray(meets, dtype=bool), margin, -1.0)  # (draws, candidates)
    size = len(objective)
    return SimpleNamespace(
        objective=np.asarray(objective, dtype=float),
        feasible=margins.mean(axis=0) / 2 + 0.5,
        fits=np.ones(size),
        problem=problem(),
        margins=SimpleNamespace(noise_variance=np.array([noise**2])),
        candidates=SimpleNamespace(quality_group=np.arange(size)),
        drawn_margins=lambda rows, num: margins[:, rows],
    )


def test_it_is_the_share_of_draws_in_which_nothing_much_better_meets_the_target():
    """The fastest meets it in 3 of 10 draws, the second in all, the third in none but those of the second."""
    draws = [[k < 3, True, k % 2 == 0] for k in range(10)]
    assert probability_best(made_up([1.0, 2.0, 3.0], draws), ALL) == pytest.approx([1.0, 0.7, LEAST])


def test_what_is_as_good_within_the_tolerance_stands_as_high():
    both = [[True, True]] * 10
    assert probability_best(made_up([1.0, 0.999 * WITHIN], both), ALL) == pytest.approx([1.0, 1.0])
    assert probability_best(made_up([1.0, 1.001 * WITHIN], both), ALL) == pytest.approx([1.0, LEAST])


def test_only_draws_in_which_the_candidate_itself_is_within_the_target_count_for_it():
    """Good together and bad together: where the second is good, so is the first, and it is pointless."""
    together = [[k < 10, k < 10] for k in range(20)]
    apart = [[k < 10, k >= 10] for k in range(20)]
    assert probability_best(made_up([1.0, 2.0], together), ALL)[1] == pytest.approx(LEAST)
    assert probability_best(made_up([1.0, 2.0], apart), ALL)[1] == pytest.approx(1.0)


def test_nothing_waits_for_what_meets_the_target_by_less_than_a_dozen_runs_can_show():
    """With a noise of 1 % these show .59 % at 98 %."""
    both = [[True, True]] * 10
    thin, thick = (probability_best(made_up([1.0, 2.0], both, margin=m), ALL)[1] for m in (0.0058, 0.0060))
    assert (thin, thick) == (pytest.approx(1.0), pytest.approx(LEAST))


def test_candidates_beyond_what_is_to_beat_take_no_part():
    both = [[True, True]] * 10
    assert probability_best(made_up([1.0, 2.0], both), 1.5) == pytest.approx(
        [1.0, 1.0]
    )  # one contender: nothing to draw


def test_before_anything_was_measured_all_stand_alike():
    assert set(probability_best(predictions(problem(), []), ALL)) == {1.0}


def test_where_everything_is_good_only_what_is_nearly_the_fastest_stands():
    done = [ran(config, 0.080) for config in (BASELINE, FASTEST, *OTHERS[::4])]
    known = predictions(problem(), done)
    found = probability_best(known, ALL)
    index = known.candidates.index
    assert found[index[FASTEST]] > 0.9
    slow = [config for config in OTHERS if epoch_s(config) > 1.1 * epoch_s(FASTEST)]
    assert max(found[index[config]] for config in slow) < 0.2


def test_the_same_question_gets_the_same_answer():
    done = [ran(BASELINE, 0.085), ran(OTHERS[3], 0.095), ran(FASTEST, 0.1)]
    first, second = (probability_best(predictions(problem(), done), ALL) for _ in range(2))
    assert (first == second).all()
