"""An absolute target is judged on the winner's runs, which go on alone once nothing else is undecided."""

import json
from itertools import pairwise

import numpy as np
import pytest

from tests.certificate.cases import BASELINE, FIRST, GUIDE, WINNER, run
from tuner.certificate import Outcome, Prospect, Verdict, certify, next_run, num_ahead
from tuner.core.certificate_terms import LEVEL, LOOKS, TargetLook, Terms
from tuner.core.goal import Goal
from tuner.core.objectives import Target
from tuner.core.trial import TrialState
from tuner.report.certificate import basis_text, certificate_dict, prospect_text, verdict_sentence

BOUND = 0.095
GOAL = Goal(target=Target.parse(f"nrmse < {BOUND}"))
TERMS = Terms(pairs=12, nrmse_margin_pct=9)
FIRM = Terms(until_firm=True, nrmse_margin_pct=9)
SD = 0.009


def winner_run(k, log_nrmse, **more):
    """The winner's k-th fresh run; its NRMSE is so far from the target, on logarithms."""
    return run(WINNER, FIRST + k, BOUND * np.exp(log_nrmse), 1.0 + 0.001 * (k % 3), **more)


def baseline_run(k):
    return run(BASELINE, FIRST + k, 0.0905 + 1e-5 * (k % 5), 4.0)


def made(logs, num_pairs=12):
    """The first runs of the winner with these logarithms; so many of them in pairs with the baseline."""
    records = []
    for k, log in enumerate(logs):
        records += [baseline_run(k)] if k < num_pairs else []
        records.append(winner_run(k, log))
    return records


def spread(mean, num, sd=SD):
    """Exactly this mean and deviation."""
    values = np.linspace(-1, 1, num)
    return mean + sd * values / values.std(ddof=1)


def judged(records, terms=TERMS, goal=GOAL, **how):
    return certify(records, WINNER, BASELINE, goal, terms, **how)


def play(terms, law, *, records=(), guide=None, goal=GOAL):
    """Runs what is asked for until nothing is; `law` gives the k-th run of the winner."""
    records, asked = list(records), []
    while wanted := next_run(records, WINNER, BASELINE, goal, terms, guide=guide, first_seed=0):
        config, k = wanted[0], wanted[1] - FIRST
        asked.append(config)
        made_run = {WINNER: law, BASELINE: baseline_run}.get(config)
        records.append(made_run(k) if made_run else run(config, FIRST + k, 0.09, 2.0))
        assert len(asked) < 500
    return records, asked


def noisy(rng, mean, sd=SD):
    return lambda k: winner_run(k, rng.normal(mean, sd))


# Levels.

WAYS = [(n, n + more) for n in (2, 3, 4, 7, 12, 15, 40) for more in (0, 1, n - 1, n, 2 * n, 3 * n)]


@pytest.mark.parametrize(("num_pairs", "num_runs"), WAYS)
def test_the_levels_of_the_targets_looks_add_up_to_no_more_than_one_whichever_way_a_study_goes(
    num_pairs, num_runs
):
    plain = Terms(pairs=num_pairs)
    first = plain.target_looks(num_pairs, num_runs)
    firm = plain.firm(num_pairs, is_over=True, num_runs=num_runs)
    later = firm.target_looks(num_pairs, num_runs)
    taken = [look for look in first if look.num_runs <= num_runs]
    assert list(later[: len(taken)]) == taken
    assert sum(look.level for look in {*first, *later}) <= LEVEL + 1e-12
    assert all(a.num_runs < b.num_runs for a, b in pairwise(later))
    assert later[-1].num_runs > num_runs


def test_the_plain_looks_are_at_one_two_and_four_times_the_pairs():
    looks = TERMS.target_looks(12, 13)
    assert [(look.num_runs, look.level) for look in looks] == [(12, 0.02), (24, 0.01), (48, 0.01)]
    assert [look.num_runs for look in FIRM.target_looks(4, 9)] == list(LOOKS)


def test_a_study_that_never_ran_the_winner_alone_is_judged_as_ever():
    """So are runs of earlier versions: their verdicts stay what they were."""
    logs = spread(-0.0053, 12)  # p is .033
    ended = judged(made(logs))
    assert ended.target_look == TargetLook(num_runs=12, level=0.04)
    assert (ended.verdict, ended.num_target_runs) == (Verdict.CERTIFIED, 12)
    assert basis_text(ended) == "on 12 fresh pairs of runs"
    gone_on = judged(made([*logs, 0.0]))
    assert gone_on.target_look == TargetLook(num_runs=12, level=0.02)
    assert (gone_on.verdict, gone_on.num_target_runs) == (Verdict.UNDECIDED, 12)
    assert judged(made(logs), may_go_on=True).target_look == gone_on.target_look


def test_between_two_looks_the_last_one_counts():
    logs = [*spread(-0.001, 12), *spread(-0.05, 11)]
    found = judged(made(logs))
    assert (found.verdict, found.num_target_runs, found.num_runs) == (Verdict.UNDECIDED, 12, 23)
    found = judged(made([*logs, -0.05]))
    assert (found.verdict, found.num_target_runs, found.target_look.level) == (Verdict.CERTIFIED, 24, 0.01)
    assert (found.num_run, found.look.num_pairs, len(found.seeds)) == (12, 12, 12)


def test_an_interrupted_study_that_ran_the_winner_alone_has_been_judged_before():
    """It would have ended if that look had shown the target: the look has had its chance."""
    firm = TERMS.firm(12, is_over=False, num_runs=14)
    assert (firm.looked, firm.looked_runs) == (12, 14)
    assert firm.firm(12, is_over=True, num_runs=20) == firm
    assert TERMS.firm(12, is_over=False, num_runs=12).looked == 0
    waiting = judged(made(spread(0.0, 14)), is_over=False)
    assert waiting.prospect is Prospect.NOT_JUDGED_YET
    assert "12 pairs were run so far, and 2 of the recommended configuration alone" in verdict_sentence(
        waiting
    )


def is_ever_certified(records, rng):
    """Plain, with hours that end at random, then --certify: whether any verdict on the way is certified."""
    if judged(records[:24], may_go_on=True).verdict is not Verdict.UNDECIDED:
        return judged(records[:24], may_go_on=True).verdict is Verdict.CERTIFIED
    num_runs = int(rng.choice([12, 13, 23, 24, 30, 48]))
    ends = [num for num in (24, 48) if num < num_runs] + [num_runs]
    for num in ends:
        found = judged(records[: 12 + num])
        if found.verdict is not Verdict.UNDECIDED:
            return found.verdict is Verdict.CERTIFIED
    firm = found.firm_terms
    nums = [look.num_runs for look in firm.target_looks(12, num_runs) if look.num_runs > num_runs]
    return any(judged(records[: 12 + num], firm).verdict is Verdict.CERTIFIED for num in nums)


def test_a_target_that_is_met_exactly_is_certified_no_more_often_than_the_level():
    """Every certificate is an error, since the mean is the target; all else is beyond doubt."""
    rng = np.random.default_rng(5)
    pairs = [baseline_run(k) for k in range(12)]
    wrong = []
    for _ in range(1000):
        runs = [winner_run(k, log) for k, log in enumerate(rng.normal(0.0, SD, size=128))]
        records = [one for pair in zip(pairs, runs, strict=False) for one in pair] + runs[12:]
        wrong.append(is_ever_certified(records, rng))
    assert 0.02 < np.mean(wrong) <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / len(wrong))


# What is run.


def test_a_thin_margin_is_decided_by_runs_of_the_winner_alone():
    """0.45 % at a deviation of 0.9 %: 12 pairs leave it open in most draws, 48 runs in few."""
    rng = np.random.default_rng(1)
    by_pairs, by_runs = [], []
    for _ in range(60):
        records, asked = play(TERMS, noisy(rng, -0.0045))
        by_pairs.append(judged(records[:24]).verdict)
        by_runs.append(judged(records).verdict)
        assert asked[:24] == [BASELINE, WINNER] * 12
        assert set(asked[24:]) <= {WINNER}
        assert len(asked) in (24, 36, 60)
    assert np.mean([verdict is Verdict.UNDECIDED for verdict in by_pairs]) > 0.5
    assert np.mean([verdict is Verdict.CERTIFIED for verdict in by_runs]) > 0.75


def test_every_run_has_a_fresh_seed():
    records, _ = play(TERMS, noisy(np.random.default_rng(0), 0.0))
    seeds = [record.seed for record in records if record.config == WINNER]
    assert seeds == list(range(FIRST, FIRST + 48))


def test_until_firm_leaves_baseline_and_guides_row_out_too():
    rng = np.random.default_rng(3)
    records, asked = play(FIRM, noisy(rng, -0.002), guide=GUIDE)
    first = asked.index(WINNER) + 1
    alone = next(k for k in range(first, len(asked)) if asked[k - 1 : k + 1] == [WINNER, WINNER])
    assert alone == 3 * 3 + 2
    assert set(asked[alone:]) == {WINNER}
    found = judged(records, FIRM)
    assert (found.num_run, found.look.num_pairs) == (4, 4)
    assert found.num_runs in LOOKS[1:]
    assert found.num_target_runs == found.num_runs


def test_plain_and_then_certify_goes_on_with_the_winner_alone():
    records = made([*spread(-0.001, 12), *spread(-0.001, 12)])
    firm = judged(records).firm_terms
    assert (firm.looked, firm.looked_runs) == (12, 24)
    records, asked = play(firm, lambda k: winner_run(k, -0.02), records=records)
    assert asked == [WINNER] * (64 - 24)
    found = judged(records, firm)
    assert (found.num_target_runs, found.target_look.level) == (64, pytest.approx(0.005))
    assert (found.look.level, len(found.seeds)) == (0.04, 12)


def test_after_the_plain_looks_certify_has_one_more():
    records, asked = play(TERMS, lambda k: winner_run(k, 0.009 * (-1) ** k))
    assert len(asked) == 24 + 36
    assert judged(records).verdict is Verdict.UNDECIDED
    records, asked = play(judged(records).firm_terms, lambda k: winner_run(k, -0.02), records=records)
    assert asked == [WINNER] * (128 - 48)


def test_what_an_earlier_version_ordered_is_judged_at_its_own_looks():
    """Its journal says after how many pairs it had been judged, and nothing of runs."""
    earlier = Terms(pairs=12, until_firm=True, looked=12)
    assert earlier.target_looks(16, 16) == tuple(
        TargetLook(num_runs=look.num_pairs, level=look.level) for look in earlier.looks
    )


@pytest.mark.parametrize("terms", [TERMS, FIRM], ids=["pairs", "until firm"])
def test_pairs_go_on_as_before_while_something_else_is_undecided(terms):
    """The clock is as often slower as faster, so that only pairs can tell."""
    rng = np.random.default_rng(0)

    def law(k):
        return run(WINNER, FIRST + k, BOUND * np.exp(rng.normal(0, SD)), 4.0 + 0.5 * (-1) ** k)

    _, asked = play(terms, law)
    assert asked == [BASELINE, WINNER] * (32 if terms.until_firm else 12)


def test_a_relative_target_is_judged_on_pairs_alone():
    goal = Goal(target=Target.parse("nrmse < 1.05 * baseline"))
    records, asked = play(TERMS, noisy(np.random.default_rng(2), 0.0), goal=goal)
    assert asked == [BASELINE, WINNER] * 12
    found = judged(records, goal=goal)
    assert (found.verdict, found.target_look, found.num_target_runs) == (Verdict.UNDECIDED, None, 12)
    assert found.prospect in (Prospect.MORE_PAIRS, Prospect.BEYOND_LAST_LOOK)
    assert found.more_runs is None


def test_a_target_that_is_missed_ends_it():
    _, asked = play(TERMS, noisy(np.random.default_rng(0), 0.01))
    assert len(asked) == 24


BROKEN = {"finite": Outcome.FAILED, "memory": Outcome.FAILED}


@pytest.mark.parametrize("constraint", BROKEN)
def test_a_run_alone_that_goes_wrong_counts_and_nothing_more_is_run(constraint):
    wrong = {"state": TrialState.INFEASIBLE, "constraint": constraint}

    def law(k):
        return winner_run(k, 0.009 * (-1) ** k, **(wrong if k == 15 else {}))

    records, asked = play(TERMS, law)
    assert len(asked) == 24 + 4
    assert judged(records).verdict is Verdict.NOT_CERTIFIED


def test_a_disturbed_run_alone_counts_and_a_lost_one_does_not():
    records = made(spread(-0.02, 24))
    records[-1] = winner_run(23, -0.02, contended=True)
    assert judged(records).num_target_runs == 24
    records[-2] = winner_run(22, -0.02, state=TrialState.FAILED)
    found = judged(records)
    assert (found.num_target_runs, found.num_runs, found.target_look.num_runs) == (23, 24, 24)


def test_a_run_whose_baseline_was_lost_tells_of_the_target_all_the_same():
    records = made(spread(-0.02, 12))
    records[4] = run(BASELINE, FIRST + 2, 0.09, 4.0, state=TrialState.FAILED)
    found = judged(records)
    assert (len(found.seeds), found.num_target_runs, found.num_run) == (11, 12, 12)


def test_a_run_alone_is_asked_for_if_the_hours_allow_all_until_the_next_look():
    records = made(spread(0.0, 12))
    assert num_ahead(records, BASELINE, FIRST + 12, BASELINE, TERMS) == 1
    assert num_ahead(records, WINNER, FIRST + 11, BASELINE, TERMS) == 1
    assert num_ahead(records, WINNER, FIRST + 12, BASELINE, TERMS) == 12
    records = made(spread(0.0, 20))
    assert num_ahead(records, WINNER, FIRST + 20, BASELINE, TERMS) == 4
    assert num_ahead(records, WINNER, FIRST + 19, BASELINE, TERMS) == 5  # the last one, once more


# What is told of it.


def test_it_says_on_how_many_runs_the_target_was_judged():
    found = judged(made(spread(-0.02, 25)))
    said = verdict_sentence(found)
    assert (
        "on 12 fresh pairs of runs, and the target on 24 fresh runs of the recommended configuration" in said
    )
    assert "of 25 that were made" in said
    assert "mean of 24 runs 0.09" in said
    told = json.loads(json.dumps(certificate_dict(found), allow_nan=False))
    assert (told["num_pairs_run"], told["num_runs"], told["num_target_runs"]) == (12, 25, 24)
    assert (told["target_level"], len(told["seeds"]), len(told["target_seeds"])) == (0.01, 12, 24)
    nrmse = next(check for check in told["checks"] if check["key"] == "nrmse")
    assert "level 0.04, n = 12, and t-test against the target, one-sided level 0.01, n = 24" in nrmse["test"]
    assert nrmse["figures"]["num_target_runs"] == 24


def test_undecided_says_how_many_more_runs_of_the_winner_would_decide_it_and_how_long_they_take():
    found = judged(made(spread(-0.0045, 12)))
    assert (found.prospect, found.more_pairs) == (Prospect.MORE_RUNS, None)
    assert found.more_runs == 64 - 12
    assert found.run_s < found.round_s / 4
    assert found.more_s == pytest.approx(found.more_runs * found.run_s)
    assert "52 more runs of the recommended configuration alone, about 0.87 min" in prospect_text(found)
    assert "(--resume RUN --certify)" in prospect_text(found)


def test_pairs_and_then_runs_alone_are_told_where_the_clock_is_undecided_too():
    """Ten per cent faster with a scatter of as much: the clock needs the pairs, the target more runs."""
    records = made(spread(-0.0045, 3), num_pairs=3)
    for k, off in enumerate(spread(0.0, 3, sd=0.1)):
        records[2 * k + 1] = run(WINNER, FIRST + k, records[2 * k + 1].nrmse, 3.62 * np.exp(off))
    found = judged(records, Terms(pairs=3, nrmse_margin_pct=9))
    assert (found.more_pairs, found.more_runs) == (32 - 3, 64 - 32)
    assert found.more_s == pytest.approx(29 * found.round_s + 32 * found.run_s)
    assert "29 more pairs and 32 more runs of the recommended configuration alone, about" in prospect_text(
        found
    )


def test_what_no_look_would_decide_does_not_advise_to_go_on():
    far = judged(made(spread(-0.0001, 12)))
    assert far.prospect is Prospect.BEYOND_LAST_LOOK
    assert "more than the 128 runs after which --certify looks at the target last" in prospect_text(far)
    over = judged(made(spread(-0.0001, 32), num_pairs=4), FIRM)
    assert over.prospect is Prospect.ALL_LOOKS_TAKEN
    assert "32 runs of the recommended configuration have been made" in prospect_text(over)
    assert not any("--resume" in prospect_text(found) for found in (far, over))
