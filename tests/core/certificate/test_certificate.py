"""What all checks say together, what a firmer verdict costs, and the audit of the guide's row."""

import json

import pytest

from tests.core.certificate.cases import BASELINE, FIRST, GOAL, GUIDE, WINNER, paired, run
from tuner.core.certificate import Device, Terms, Verdict, certify
from tuner.core.certificate.audit import Finding
from tuner.core.trial import Purpose, TrialState

TERMS = Terms(pairs=5, nrmse_margin_pct=4.0)
GOOD = (2.5, 3.5, 2.7, 3.3, 3.0)


def certificate(records, *, terms=TERMS, device=None, guide=None):
    return certify(records, WINNER, BASELINE, GOAL, terms, guide=guide, device=device or Device(memory_gib=8))


def test_all_checks_passed_is_certified_and_names_what_could_not_be_measured():
    found = certificate(paired(GOOD))
    assert found.verdict is Verdict.CERTIFIED
    assert found.seeds == tuple(range(FIRST, FIRST + 5))
    assert found.sentence.startswith("Certified on 5 fresh pairs of runs")
    assert "not measurable here: GPU utilisation increased" in found.sentence
    assert found.what_it_takes == ""


def test_one_failed_check_is_not_certified_even_where_others_are_undecided():
    found = certificate(paired([6.0, 6.1, 5.9], ratios=(0.8, 1.4, 0.9)))
    assert found.verdict is Verdict.NOT_CERTIFIED
    assert "NRMSE unchanged within 4 %" in found.sentence
    assert "Training time" not in found.sentence


def test_undecided_says_how_many_pairs_and_minutes_it_would_take():
    found = certificate(paired([3.0, 4.2, 2.4, 3.9, 3.2]))
    assert found.verdict is Verdict.UNDECIDED
    assert found.more_pairs >= 1
    assert f"{found.more_pairs} more pairs" in found.sentence
    assert "--certify" in found.sentence
    assert found.as_dict()["more_s"] == pytest.approx(found.more_pairs * found.round_s)


def test_without_a_pair_nothing_is_said_to_be_proved():
    found = certificate([run(BASELINE, 0, 0.091, 4.0, purpose=Purpose.BASELINE)])
    assert found.verdict is Verdict.UNDECIDED
    assert found.more_pairs is None
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["verdict"] == "undecided"


def test_runs_of_the_search_prove_nothing():
    """What was chosen because it did well with a seed is not proved by that seed."""
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
    assert "1 of 6 runs diverged" in found.sentence


def test_a_run_of_the_search_that_ran_out_of_memory_counts_against_it():
    out = run(
        WINNER, 3, 0.09, 1.0, state=TrialState.INFEASIBLE, constraint="memory", purpose=Purpose.REPLICATE
    )
    assert certificate([*paired(GOOD), out]).verdict is Verdict.NOT_CERTIFIED


def test_looking_several_times_makes_each_look_stricter():
    assert Terms(pairs=5).level == 0.05
    assert Terms(until_firm=True).level == pytest.approx(0.05 / 4)
    assert Terms(pairs=0).looks == ()


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
    found = certificate(records, guide=GUIDE, device=Device(guide_speedup=speedup))
    return [claim.finding for claim in found.claims]


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


def test_a_study_whose_guide_never_ran_audits_nothing():
    assert certificate(paired(GOOD), guide=GUIDE).claims == ()
