"""The verdict of all checks together, the cost of a firmer one, and the audit of the guide's row."""

import json

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tests.certificate.cases import BASELINE, FIRST, GOAL, GUIDE, WINNER, paired, run
from tuner.certificate import Conditions, Verdict, certify, next_run
from tuner.certificate.audit import Finding, Promise
from tuner.core.certificate_terms import Terms
from tuner.core.goal import Goal
from tuner.core.objectives import Target
from tuner.core.paired_mean import PairedMean
from tuner.core.trial import Purpose, TrialState
from tuner.report.certificate import certificate_dict, prospect_text, verdict_sentence
from tuner.report.check import claim_seen_text, claim_text, disturbance_text

TERMS = Terms(pairs=5, nrmse_margin_pct=4.0)
GOOD = (2.5, 3.5, 2.7, 3.3, 3.0)


def certificate(records, *, terms=TERMS, conditions=None, guide=None):
    return certify(
        records, WINNER, BASELINE, GOAL, terms, guide=guide, conditions=conditions or Conditions(memory_gib=8)
    )


def test_all_checks_passed_is_certified_and_names_what_could_not_be_measured():
    found = certificate(paired(GOOD))
    assert found.verdict is Verdict.CERTIFIED
    assert found.seeds == tuple(range(FIRST, FIRST + 5))
    assert verdict_sentence(found).startswith("Certified on 5 fresh pairs of runs")
    assert "not measurable here: GPU utilisation increased" in verdict_sentence(found)
    assert prospect_text(found) == ""


def test_one_failed_check_is_not_certified_even_where_others_are_undecided():
    found = certificate(paired([6.0, 6.1, 5.9], ratios=(0.8, 1.4, 0.9)))
    assert found.verdict is Verdict.NOT_CERTIFIED
    assert "NRMSE unchanged within 4 %" in verdict_sentence(found)
    assert "Training time" not in verdict_sentence(found)


def at(mean_pct, sd_pct, num):
    """Makes so many changes with exactly this mean and deviation, on logarithms."""
    values = np.linspace(-1, 1, num)
    logs = np.log1p(mean_pct / 100) + sd_pct / 100 * values / values.std(ddof=1)
    return list(100 * np.expm1(logs))


FAR = Goal(target=Target.parse("nrmse < 1"))


def judged(changes, terms, *, is_over=True):
    return certify(paired(changes), WINNER, BASELINE, FAR, terms, is_over=is_over)


def test_undecided_says_how_many_pairs_and_minutes_the_look_takes_that_will_probably_decide():
    """The look at 16 at level .005 would probably be too early; at 5 % it would not be."""
    changes = at(3.0, 1.2, 8)
    found = judged(changes, Terms(pairs=8, nrmse_margin_pct=3.85))
    seen, margin = PairedMean.of(np.log1p(np.array(changes) / 100)), np.log(1.0385)
    assert found.verdict is Verdict.UNDECIDED
    assert seen.pairs_needed(margin, 0.05) <= 16 < seen.pairs_needed(margin, 0.005) <= 32
    assert found.more_pairs == 32 - 8
    assert "24 more pairs, about" in verdict_sentence(found)
    assert "(--resume RUN --certify)" in verdict_sentence(found)
    assert found.more_s == pytest.approx(24 * found.round_s)


def test_what_needs_more_pairs_than_certify_runs_says_so_and_does_not_advise_it():
    """Some 40 pairs would do at 5 %, but --certify ends with 32, and its looks are stricter."""
    found = judged(at(3.5, 1.2, 12), Terms(pairs=12, nrmse_margin_pct=4.0))
    assert found.verdict is Verdict.UNDECIDED
    assert "more than the 32 pairs that --certify runs" in verdict_sentence(found)
    assert "a wider margin, another target or a quieter machine" in verdict_sentence(found)
    assert "--resume" not in verdict_sentence(found)
    assert (found.more_pairs, found.more_s) == (None, None)


def test_what_was_given_up_since_every_pair_was_disturbed_does_not_advise_what_would_run_nothing():
    records = paired([0.0] * 4, winner={"contended": True})
    found = certificate(records, terms=Terms(until_firm=True, nrmse_margin_pct=4))
    guided = {"guide": None, "first_seed": 0}
    assert next_run(records, WINNER, BASELINE, GOAL, found.firm_terms, **guided) is None
    assert "a new run with --certify, on an idle device" in prospect_text(found)
    single = certificate(records, terms=Terms(pairs=4, nrmse_margin_pct=4))
    assert next_run(records, WINNER, BASELINE, GOAL, single.firm_terms, **guided) is not None
    assert "--resume RUN --certify" in prospect_text(single)


def test_after_the_last_look_nothing_is_advised_that_would_run_nothing():
    found = judged(at(0.99, 1.2, 32), Terms(until_firm=True))
    assert found.verdict is Verdict.UNDECIDED
    assert "--certify runs 32 pairs at most, and 32 have been run" in verdict_sentence(found)
    assert "--resume" not in verdict_sentence(found)


def test_without_a_pair_nothing_is_said_to_be_proved():
    found = certificate([run(BASELINE, 0, 0.091, 4.0, purpose=Purpose.BASELINE)])
    assert found.verdict is Verdict.UNDECIDED
    assert "The next look takes 4 more pairs (--resume RUN --certify)" in verdict_sentence(found)
    assert json.loads(json.dumps(certificate_dict(found), allow_nan=False))["verdict"] == "undecided"


def test_runs_of_the_search_prove_nothing():
    """A configuration chosen because it did well with a seed is not proved by that seed."""
    searched = [
        run(config, k, nrmse, time_s, purpose=Purpose.SEARCH)
        for k in range(8)
        for config, nrmse, time_s in ((BASELINE, 0.0912, 4.0), (WINNER, 0.0912 + 1e-5 * k, 1.0))
    ]
    assert certificate(searched).seeds == ()


def test_a_run_that_diverged_fails_it_though_the_pairs_that_are_left_are_good():
    diverged = run(WINNER, 1099, 0.09, 1.0, state=TrialState.INFEASIBLE, constraint="finite")
    found = certificate([*paired(GOOD), diverged])
    assert found.verdict is Verdict.NOT_CERTIFIED
    assert "1 of 6 runs diverged" in verdict_sentence(found)


def test_a_run_of_the_search_that_ran_out_of_memory_counts_against_it():
    out = run(
        WINNER, 3, 0.09, 1.0, state=TrialState.INFEASIBLE, constraint="memory", purpose=Purpose.REPLICATE
    )
    assert certificate([*paired(GOOD), out]).verdict is Verdict.NOT_CERTIFIED


ALL_TERMS = [
    Terms(pairs=pairs, until_firm=firm, looked=looked)
    for pairs in (0, 1, 3, 12, 40)
    for firm, looked in ((False, 0), (True, 0), (True, 2), (True, 3), (True, 14), (True, 31), (True, 40))
]


@pytest.mark.parametrize("terms", ALL_TERMS, ids=str)
def test_the_levels_of_all_looks_add_up_to_no_more_than_one(terms):
    looks = terms.looks
    assert sum(look.level for look in looks) <= 0.05 + 1e-12
    assert [look.num_pairs for look in looks] == sorted({look.num_pairs for look in looks})


def test_a_single_look_keeps_something_back_for_those_that_follow_it():
    assert [(look.num_pairs, look.level) for look in Terms(pairs=5).looks] == [(5, 0.04)]
    assert Terms(pairs=0).looks == ()
    four = Terms(until_firm=True).looks
    assert [(look.num_pairs, look.level) for look in four] == [(n, 0.0125) for n in (4, 8, 16, 32)]
    after = Terms(pairs=12).firm(12, is_over=True)
    assert [look.num_pairs for look in after.looks] == [12, 16, 32]
    assert [look.level for look in after.looks] == pytest.approx([0.04, 0.005, 0.005])
    assert [look.num_pairs for look in Terms(pairs=3).firm(3, is_over=True).looks] == [3, 8, 16, 32]


def test_what_was_not_judged_yet_has_cost_nothing():
    """An interrupted run, and one pair, with which nothing can be tested."""
    assert Terms(pairs=12).firm(6, is_over=False).looked == 0
    assert Terms(pairs=1).firm(1, is_over=True).looked == 0


def test_becoming_firm_twice_forgets_no_look():
    once = Terms(pairs=3).firm(3, is_over=True)
    assert once.firm(8, is_over=True) == once


def test_an_interrupted_run_is_not_judged_and_says_what_it_waits_for():
    found = judged(at(0.0, 0.5, 3), Terms(pairs=5, nrmse_margin_pct=4), is_over=False)
    assert (found.verdict, found.look, found.seeds) == (Verdict.UNDECIDED, None, ())
    assert "not judged yet, 3 pairs were run so far" in verdict_sentence(found)
    assert "--resume RUN)" in verdict_sentence(found)
    assert judged(at(0.0, 0.5, 3), Terms(pairs=5, nrmse_margin_pct=4)).verdict is Verdict.CERTIFIED


def test_between_two_looks_the_last_one_counts():
    """10 pairs: what came after the eighth waits for the look at 16, however good it is."""
    terms = Terms(until_firm=True, nrmse_margin_pct=4)
    good, bad = at(0.0, 0.5, 8), at(3.9, 0.5, 8)
    assert judged([*good, 30.0, 30.0], terms).verdict is Verdict.CERTIFIED
    found = judged([*bad, 0.0, 0.0], terms)
    assert found.verdict is Verdict.UNDECIDED
    assert (len(found.seeds), found.num_run, found.look.level) == (8, 10, 0.0125)
    assert "on 8 fresh pairs of runs, of 10 that were run" in verdict_sentence(found)


PATHS = {
    "pairs, then --certify": [3, 4, 12, 15],
    "pairs, cut short by the hours, then --certify": [2, 7],
    "--certify from the start": [0],
}


@pytest.mark.parametrize("first", [n for path in PATHS.values() for n in path])
def test_whichever_way_a_study_goes_what_is_false_passes_no_more_often_than_promised(first):
    """Every pass is an error, since the truth is at the margin; 20,000 studies, tested by other code."""
    terms = Terms(pairs=first).firm(first, is_over=True) if first else Terms(until_firm=True)
    draws = np.random.default_rng(first).normal(0, 0.012, size=(20_000, 32))
    wrong = np.zeros(len(draws), dtype=bool)
    for look in terms.looks:
        seen = draws[:, : look.num_pairs]
        wrong |= ttest_1samp(seen, 0.0, axis=1, alternative="less").pvalue < look.level
    assert wrong.mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(draws))


@pytest.mark.parametrize(("pairs", "margin", "mean", "least"), [(12, 5, 3.5, 0.95), (3, 4, 2.0, 0.48)])
def test_the_shipped_numbers_of_pairs_have_the_power_that_is_said(pairs, margin, mean, least):
    """`cpu.yaml`, and the studies for cards; the deviation of a pair is 1.2 %."""
    draws = np.random.default_rng(0).normal(np.log1p(mean / 100), 0.012, size=(20_000, pairs))
    level = Terms(pairs=pairs).looks[0].level
    passed = ttest_1samp(draws, np.log1p(margin / 100), axis=1, alternative="less").pvalue < level
    assert passed.mean() >= least


# What is told of it.


def test_the_winner_is_held_against_the_guides_own_margin_whatever_the_studys():
    def claim(mean):
        found = judged(at(mean, 0.5, 8), Terms(pairs=8, nrmse_margin_pct=5))
        assert found.verdict is Verdict.CERTIFIED
        return found.claims[0]

    assert claim_text(claim(3.5)) == "recommended: NRMSE changes by less than 1 %"
    findings = [claim(mean).finding for mean in (3.5, 1.0, 0.0)]
    assert findings == [Finding.REFUTED, Finding.UNDECIDED, Finding.CONFIRMED]
    assert "one-sided level 0.04, n = 8" in claim_seen_text(claim(3.5))


def test_disturbed_pairs_are_named_with_what_disturbed_them():
    records = paired([0.0] * 3)
    records[3] = run(WINNER, FIRST + 1, 0.09, 1.0, contended=True, contended_reason="1 other process")
    found = certificate(records)
    [(seed, by)] = found.disturbed.items()
    assert (seed, disturbance_text(by)) == (FIRST + 1, "recommended: 1 other process")
    assert certificate_dict(found)["disturbed"] == [{"seed": FIRST + 1, "by": "recommended: 1 other process"}]
    assert (found.num_timed, len(found.seeds)) == (2, 3)


def test_its_speedup_is_of_the_pairs_and_lies_in_its_interval():
    ratio, low, high = certificate(paired(GOOD)).speedup
    assert ratio == pytest.approx(3.02, abs=0.001)
    assert low < ratio < high
    assert certificate([]).speedup is None


def test_its_cost_is_the_seconds_of_all_certifying_runs_and_what_is_around_training():
    records = paired([0.0, 0.0], ratios=(4.0, 4.0), baseline={"setup_time_s": 0.5})
    searched = run(WINNER, 0, 0.09, 99.0, purpose=Purpose.SEARCH)
    assert certificate([*records, searched]).cost_s == pytest.approx(2 * (4.0 + 0.5 + 1.0))


# The audit of the guide's row.


def audited(ratios, changes, *, utils=None, speedup=None):
    records = []
    for k, (ratio, change) in enumerate(zip(ratios, changes, strict=True)):
        util = {} if utils is None else {"gpu_util_pct": utils[k]}
        records.append(run(BASELINE, FIRST + k, 0.091, 40.0))
        records.append(run(GUIDE, FIRST + k, 0.091 * (1 + change / 100), 40.0 / ratio, **util))
    found = certificate(records, guide=GUIDE, conditions=Conditions(guide_speedup=speedup))
    return [claim.finding for claim in found.claims if claim.promise is not Promise.RECOMMENDED_NRMSE_CHANGE]


def test_claims_are_confirmed_refuted_or_undecided_by_their_intervals():
    confirmed, refuted, undecided = Finding.CONFIRMED, Finding.REFUTED, Finding.UNDECIDED
    tight = (2.5, 2.51, 2.49)
    assert audited(tight, (0.2, 0.3, 0.25), utils=(77, 77.2, 76.8)) == [confirmed] * 3
    assert audited((1.4, 1.41, 1.39), (2.7, 2.6, 2.8), utils=(60, 61, 60)) == [refuted] * 3
    assert audited((1.9, 2.1, 2.0), (0.5, 1.5, 1.0), utils=(74, 76, 75)) == [undecided] * 3


def test_the_guide_is_held_to_what_it_promises_for_the_card_at_hand():
    tight = (2.5, 2.51, 2.49)
    assert audited(tight, (0.2, 0.3, 0.25), speedup=(3.0, 4.0))[0] is Finding.REFUTED


def test_on_a_cpu_utilisation_is_not_measurable_and_one_run_confirms_nothing():
    findings = audited((2.5,), (0.2,))
    assert findings == [Finding.UNDECIDED, Finding.NOT_MEASURABLE, Finding.UNDECIDED]


def test_a_study_whose_guide_never_ran_audits_what_is_recommended_alone():
    assert len(certificate(paired(GOOD), guide=GUIDE).claims) == 1
