"""The runs that a certificate asks for: A B A B with fresh seeds, and no more than it needs."""

import numpy as np
import pytest

from tests.certificate.cases import BASELINE, GOAL, GUIDE, WINNER, run
from tuner.certificate import Verdict, certify, next_run, subject
from tuner.certificate.plan import MAX_DISTURBED_PAIRS
from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.trial import TrialState


def play(terms, law, *, guide=None, winner=WINNER, records=(), first_seed=0):
    """Runs what is asked for until nothing is; gives the records and what was asked, in order."""
    records, asked = list(records), []
    while True:
        wanted = next_run(records, winner, BASELINE, GOAL, terms, guide=guide, first_seed=first_seed)
        if wanted is None:
            return records, asked
        asked.append(wanted)
        records.append(law(*wanted))
        assert len(asked) < 500


def fine(config, seed):
    return run(config, seed, 0.0912 + 1e-5 * (seed % 3), 1.0 if config == WINNER else 4.0 + 0.01 * (seed % 2))


def test_baseline_and_winner_take_turns_each_round_with_a_fresh_seed():
    _, asked = play(Terms(pairs=3), fine, first_seed=7)
    assert asked == [(c, 1007 + k) for k in range(3) for c in (BASELINE, WINNER)]


def test_the_guides_row_runs_in_the_first_rounds_between_them():
    _, asked = play(Terms(pairs=5), fine, guide=GUIDE)
    configs = [config for config, _ in asked]
    assert configs == [BASELINE, GUIDE, WINNER] * 3 + [BASELINE, WINNER] * 2


@pytest.mark.parametrize("guide", [BASELINE, WINNER])
def test_a_guides_row_that_is_one_of_both_runs_once(guide):
    _, asked = play(Terms(pairs=2), fine, guide=guide)
    assert len(asked) == 4


def test_no_pairs_wanted_is_nothing_to_run():
    assert play(Terms(pairs=0), fine)[1] == []


def test_a_round_that_was_cut_short_is_finished_first():
    records = [fine(BASELINE, 1000)]
    assert play(Terms(pairs=1), fine, records=records)[1] == [(WINNER, 1000)]


# One subject.

OTHER = TrialConfig(batch_size=16, micro_batch=16, num_taus=3)


@pytest.mark.parametrize("terms", [Terms(pairs=4), Terms(until_firm=True)], ids=["pairs", "until firm"])
@pytest.mark.parametrize("guide", [None, GUIDE, OTHER])
def test_once_the_winner_has_been_asked_for_another_gets_no_pair(terms, guide):
    """Otherwise each winner would bring its own error, and a study as many levels as winners."""
    records, _ = play(Terms(pairs=1), fine, guide=guide)
    assert subject(records, BASELINE, guide) == WINNER
    assert play(terms, fine, guide=guide, winner=OTHER, records=records)[1] == []
    asked = play(terms, fine, guide=guide, records=records)[1]
    assert [seed for config, seed in asked if config == WINNER] == [1001, 1002, 1003]


def test_until_then_the_winner_may_change():
    records = [fine(BASELINE, 1000), fine(GUIDE, 1000)]
    assert subject(records, BASELINE, GUIDE) is None
    _, asked = play(Terms(pairs=2), fine, guide=GUIDE, winner=OTHER, records=records)
    assert asked == [(OTHER, 1000), (BASELINE, 1001), (GUIDE, 1001), (OTHER, 1001)]


def test_a_guides_row_that_wins_is_the_subject_from_the_second_round_on():
    """It has run in the first round in any case, and one pair proves nothing."""
    records, _ = play(Terms(pairs=1), fine, guide=GUIDE, winner=GUIDE)
    assert subject(records, BASELINE, GUIDE) is None
    second = [*records, fine(BASELINE, 1001)]
    assert subject(second, BASELINE, GUIDE) == GUIDE
    assert play(Terms(pairs=3), fine, guide=GUIDE, winner=WINNER, records=second)[1] == []
    assert play(Terms(pairs=2), fine, guide=GUIDE, winner=GUIDE, records=second)[1] == [(GUIDE, 1001)]


def test_a_run_of_the_subject_that_was_lost_has_fixed_it_all_the_same():
    lost = run(WINNER, 1000, 0.09, 1.0, state=TrialState.FAILED)
    assert subject([fine(BASELINE, 1000), lost], BASELINE, None) == WINNER


def test_the_audit_of_the_guides_row_makes_it_no_second_subject():
    records, _ = play(Terms(pairs=3), fine, guide=GUIDE)
    assert subject(records, BASELINE, GUIDE) == WINNER
    assert play(Terms(pairs=5), fine, guide=GUIDE, winner=GUIDE, records=records)[1] == []


def test_a_run_that_failed_counts_and_is_not_tried_for_ever():
    def law(config, seed):
        broken = {"state": TrialState.INFEASIBLE, "constraint": "memory"} if config == WINNER else {}
        return run(config, seed, 0.09, 1.0, **broken)

    assert len(play(Terms(pairs=3), law)[1]) == 6


def test_rounds_that_others_disturbed_are_run_again_a_few_times_at_most():
    def law(config, seed):
        return run(config, seed, 0.09, 1.0, contended=seed == 1001)

    assert len(play(Terms(pairs=3), law)[1]) == 2 * 4
    assert len(play(Terms(pairs=3), lambda c, s: run(c, s, 0.09, 1.0, contended=True))[1]) == 2 * (
        3 + MAX_DISTURBED_PAIRS
    )


# Until it is firm.


def test_until_firm_gives_up_at_the_first_look_where_every_pair_was_disturbed():
    _, asked = play(Terms(until_firm=True), lambda c, s: run(c, s, 0.09, 1.0, contended=True))
    assert len(asked) == 2 * 4


def test_until_firm_ends_at_the_first_look_that_decides():
    _, asked = play(Terms(until_firm=True), fine)
    assert len(asked) == 2 * 4


def test_until_firm_gives_up_at_the_last_look():
    rng = np.random.default_rng(0)

    def on_the_line(config, seed):
        level = 0.0912 if config == BASELINE else 0.0912 * 1.01
        return run(config, seed, level * np.exp(rng.normal(0, 0.008)), 1.0 if config == WINNER else 4.0)

    records, asked = play(Terms(until_firm=True, nrmse_margin_pct=1.0), on_the_line)
    assert len(asked) == 2 * 32
    assert certify(records, WINNER, BASELINE, GOAL, Terms(until_firm=True)).verdict is Verdict.UNDECIDED


def test_looking_four_times_certifies_what_is_false_no_more_often_than_the_level():
    """Every certificate is an error, since the truth is at the margin; the goal is far away."""
    terms = Terms(until_firm=True, nrmse_margin_pct=1.0)
    rng = np.random.default_rng(2)

    def law(config, seed):
        level = 0.05 if config == BASELINE else 0.05 * 1.01
        return run(config, seed, level * np.exp(rng.normal(0, 0.006)), 1.0 if config == WINNER else 4.0)

    def is_certified():
        records, _ = play(terms, law)
        return certify(records, WINNER, BASELINE, GOAL, terms).verdict is Verdict.CERTIFIED

    wrong = [is_certified() for _ in range(200)]
    assert np.mean(wrong) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
