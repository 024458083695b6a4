"""Each of the guide's four checks passes, fails and stays undecided when it should."""

from dataclasses import replace

import numpy as np
import pytest

from tests.certificate.cases import BASELINE, GOAL, WINNER, paired, run
from tuner.certificate.checks import (
    check_limits,
    check_memory,
    check_nrmse,
    check_objective,
    check_utilisation,
)
from tuner.certificate.rounds import Rounds
from tuner.certificate.seen import Outcome
from tuner.core.certificate_terms import Terms
from tuner.core.goal import Goal, Objective
from tuner.core.limits import Limit
from tuner.core.objectives import Target
from tuner.core.trial import TrialState
from tuner.report.check import check_title, disturbance_text, how_tested, seen_text

LEVEL = 0.05
SPREAD = (-0.5, 0.5, -0.3, 0.3, 0.0)


def said(check, margin_pct=4.0):
    return seen_text(check.seen, GOAL, Terms(nrmse_margin_pct=margin_pct))


def pairs_of(records):
    return Rounds.of(records).pairs(BASELINE, WINNER)


def nrmse(changes, *, margin_pct=4.0, goal=GOAL, base=0.091):
    return check_nrmse(pairs_of(paired(changes, base=base)), goal, LEVEL, margin_pct)


# NRMSE.


def test_nrmse_passes_when_margin_and_target_are_both_kept():
    check = nrmse([3 + s for s in SPREAD])
    assert check.outcome is Outcome.PASSED
    assert check.figures["change_pct"] == pytest.approx(3.0, abs=0.01)
    assert "non-inferiority" in how_tested(check)
    assert "level 0.05" in how_tested(check)
    assert "n = 5" in how_tested(check)


def test_nrmse_fails_when_more_than_the_margin_is_lost_though_the_target_is_met():
    check = nrmse([3 + s for s in SPREAD], margin_pct=1.0)
    assert check.outcome is Outcome.FAILED
    assert "margin 1 %: failed" in said(check, margin_pct=1.0)
    assert "nrmse < 0.095: passed" in said(check, margin_pct=1.0)


def test_nrmse_fails_when_the_target_is_missed_though_nothing_is_lost():
    check = nrmse(SPREAD, base=0.097)
    assert check.outcome is Outcome.FAILED
    assert "margin 4 %: passed" in said(check)


def test_nrmse_on_the_line_is_undecided_and_says_how_many_pairs_it_would_take():
    check = nrmse([3.8 + s for s in SPREAD])
    assert check.outcome is Outcome.UNDECIDED
    assert check.pairs_needed > 5


def test_a_relative_target_is_tested_on_the_same_pairs():
    goal = Goal(target=Target.parse("nrmse <= 1.02 * baseline"))
    assert nrmse([3 + s for s in SPREAD], goal=goal).outcome is Outcome.FAILED
    assert nrmse([1 + s for s in SPREAD], goal=goal).outcome is Outcome.PASSED


def test_a_configuration_exactly_at_the_margin_passes_no_more_often_than_the_level_says():
    rng = np.random.default_rng(1)
    goal = Goal(target=Target.parse("nrmse < 1"))
    changes = 100 * np.expm1(np.log(1.04) + rng.normal(0, 0.01, size=(2000, 6)))
    passed = [nrmse(list(c), goal=goal).outcome is Outcome.PASSED for c in changes]
    assert np.mean(passed) <= 0.065


@pytest.mark.parametrize("num", [0, 1])
def test_fewer_than_two_pairs_say_too_little(num):
    assert nrmse([0.0] * num).outcome is Outcome.UNDECIDED
    assert check_objective(pairs_of(paired([0.0] * num)), GOAL, LEVEL).outcome is Outcome.UNDECIDED


# Time.


def test_a_ratio_clearly_above_one_passes_with_its_interval():
    check = check_objective(pairs_of(paired([0.0] * 4, ratios=(2.9, 3.0, 3.1, 3.0))), GOAL, LEVEL)
    assert check.outcome is Outcome.PASSED
    figures = check.figures
    assert figures["ratio"] == pytest.approx(3.0, abs=0.01)
    assert figures["ratio_low"] < figures["ratio"] < figures["ratio_high"]


def test_a_slower_winner_fails_and_a_noisy_one_is_undecided():
    slower = check_objective(pairs_of(paired([0.0] * 4, ratios=(0.7, 0.71, 0.7, 0.69))), GOAL, LEVEL)
    noisy = check_objective(pairs_of(paired([0.0] * 4, ratios=(0.8, 1.4, 0.9, 1.3))), GOAL, LEVEL)
    assert (slower.outcome, noisy.outcome) == (Outcome.FAILED, Outcome.UNDECIDED)


@pytest.mark.parametrize("ratios", [(0.7, 0.71, 0.7, 0.69), (0.8, 1.4, 0.9, 1.3)], ids=["slower", "noisy"])
def test_against_a_baseline_that_misses_the_target_there_is_no_time_to_beat(ratios):
    check = check_objective(pairs_of(paired([-5.0] * 4, ratios=ratios, base=0.096)), GOAL, LEVEL)
    assert (check.outcome, check.pairs_needed) == (Outcome.NOT_MEASURABLE, None)
    assert "the baseline misses the target: there is nothing to beat" in said(check)


def test_what_is_faster_than_a_baseline_that_misses_the_target_is_still_shown_to_be():
    check = check_objective(
        pairs_of(paired([-5.0] * 4, ratios=(2.9, 3.0, 3.1, 3.0), base=0.096)), GOAL, LEVEL
    )
    assert check.outcome is Outcome.PASSED


def test_drift_of_the_device_cancels_within_pairs():
    records = []
    for k, slow in enumerate((1.0, 1.3, 1.7, 2.2)):
        records += [run(BASELINE, 1000 + k, 0.09, 4.0 * slow), run(WINNER, 1000 + k, 0.09, 3.6 * slow)]
    check = check_objective(pairs_of(records), GOAL, LEVEL)
    assert check.outcome is Outcome.PASSED
    assert check.figures["ratio"] == pytest.approx(4.0 / 3.6)


def test_pairs_that_others_disturbed_count_for_nrmse_and_not_for_time():
    records = paired([1.0, 1.1, 0.9], winner={"contended": True})
    assert check_objective(pairs_of(records), GOAL, LEVEL).outcome is Outcome.UNDECIDED
    assert "others disturbed 3 of 3" in said(check_objective(pairs_of(records), GOAL, LEVEL))
    assert check_nrmse(pairs_of(records), GOAL, LEVEL, 4.0).outcome is Outcome.PASSED


def gone_on(record):
    """The record of a trial whose only report was its second epoch, after a checkpoint."""
    (report,) = record.measurements
    first = replace(report, device="A100", time_s=report.time_s / 2, epoch_time_s=report.time_s / 2)
    second = replace(first, epoch=2, time_s=report.time_s, resumed=True)
    return replace(record, num_epochs=2, measurements=(first, second))


@pytest.mark.parametrize("objective", [Objective.TIME, Objective.ENERGY])
def test_pairs_that_went_on_from_a_checkpoint_count_for_nrmse_and_certify_no_objective(objective):
    goal = Goal(target=GOAL.target, objective=objective)
    whole = paired([1.0, 1.1, 0.9], baseline={"energy_j": 900.0}, winner={"energy_j": 300.0})
    assert check_objective(pairs_of(whole), goal, LEVEL).outcome is not Outcome.UNDECIDED
    records = [record if record.config == BASELINE else gone_on(record) for record in whole]
    assert len(pairs_of(records)) == 3
    check = check_objective(pairs_of(records), goal, LEVEL)
    assert check.outcome is Outcome.UNDECIDED
    assert "3 of 3 pairs were disturbed or continued from a checkpoint" in said(check)
    assert check_nrmse(pairs_of(records), goal, LEVEL, 4.0).outcome is Outcome.PASSED
    found = pairs_of(records)[0]
    assert disturbance_text(found.disturbances) == "recommended: it continued from a checkpoint"


def test_energy_is_what_is_compared_when_it_is_what_the_study_wants():
    goal = Goal(target=GOAL.target, objective=Objective.ENERGY)
    records = [
        run(config, 1000 + k, 0.09, 1.0, energy_j=joules + k)
        for k in range(3)
        for config, joules in ((BASELINE, 900.0), (WINNER, 300.0))
    ]
    check = check_objective(pairs_of(records), goal, LEVEL)
    assert check_title(check.key, goal, Terms()) == "energy_j decreased"
    assert check.figures["ratio"] == pytest.approx(3.0, rel=0.01)


def test_an_objective_that_nobody_reported_is_undecided_and_never_passes():
    goal = Goal(target=GOAL.target, objective=Objective.ENERGY)
    assert check_objective(pairs_of(paired([0.0] * 4)), goal, LEVEL).outcome is Outcome.UNDECIDED


def test_a_winner_that_did_not_always_reach_the_target_is_not_shown_to_reach_it_sooner():
    """Nobody knows how long it would have taken, only that it is longer than its training."""
    goal = Goal(target=GOAL.target, objective=Objective.TIME_TO_TARGET)
    sooner = paired([0.0] * 4, ratios=(2.9, 3.0, 3.1, 3.0))
    assert check_objective(pairs_of(sooner), goal, LEVEL).outcome is Outcome.PASSED
    missed = check_objective(pairs_of(paired([0.0] * 3 + [9.0], ratios=(2.9, 3.0, 3.1, 3.0))), goal, LEVEL)
    assert missed.outcome is Outcome.UNDECIDED
    assert said(missed).endswith("at most: 1 of 4 runs never reached the target")


# Memory.


def test_memory_passes_with_head_room_and_fails_without():
    runs = [run(WINNER, k, 0.09, 1.0, peak_memory_gib=30.0, peak_reserved_gib=37.0) for k in range(3)]
    assert check_memory(runs, 40.0).outcome is Outcome.PASSED
    assert check_memory(runs, 40.0).figures["peak_gib"] == 37.0
    assert check_memory(runs, 38.0).outcome is Outcome.FAILED


def test_one_run_out_of_memory_fails_whatever_the_others_did():
    runs = [run(WINNER, k, 0.09, 1.0) for k in range(3)]
    out = run(WINNER, 9, float("nan"), 0.1, state=TrialState.INFEASIBLE, constraint="memory")
    assert check_memory([*runs, out], 40.0).outcome is Outcome.FAILED


def test_allocations_that_had_to_be_tried_again_are_no_head_room():
    assert check_memory([run(WINNER, 0, 0.09, 1.0, num_alloc_retries=2)], 40.0).outcome is Outcome.FAILED


def test_without_the_devices_memory_head_room_is_not_measurable():
    check = check_memory([run(WINNER, 0, 0.09, 1.0)], None)
    assert check.outcome is Outcome.NOT_MEASURABLE
    assert said(check) == "peak 0.25 GiB in 1 runs, but the device does not say how much it has"


def test_memory_that_nobody_reported_is_not_measurable_and_a_peak_of_zero_is_no_report():
    check = check_memory([run(WINNER, k, 0.09, 1.0, peak_memory_gib=0.0) for k in range(15)], 503.0)
    assert check.outcome is Outcome.NOT_MEASURABLE
    assert said(check) == "no error in 15 runs, but memory was not reported"
    assert [check.figures[name] for name in ("peak_gib", "headroom_pct", "num_alloc_retries")] == [None] * 3


def test_memory_that_one_run_did_not_report_is_not_passed_but_may_fail():
    runs = [run(WINNER, 0, 0.09, 1.0, peak_memory_gib=38.0), run(WINNER, 1, 0.09, 1.0, peak_memory_gib=0.0)]
    assert check_memory(runs, 80.0).outcome is Outcome.NOT_MEASURABLE
    assert "1 further runs did not report it" in said(check_memory(runs, 80.0))
    assert check_memory(runs, 39.0).outcome is Outcome.FAILED


def test_before_a_run_has_finished_an_epoch_memory_is_undecided():
    lost = run(WINNER, 0, 0.09, 1.0, state=TrialState.FAILED)
    for runs in ([], [replace(lost, measurements=())]):
        assert check_memory(runs, 40.0).outcome is Outcome.UNDECIDED


# Utilisation.


def utilisation(before, after, *, time_s=9.0):
    records = [
        run(config, 1000 + k, 0.09, time_s, gpu_util_pct=util)
        for k, both in enumerate(zip(before, after, strict=True))
        for config, util in zip((BASELINE, WINNER), both, strict=True)
    ]
    return check_utilisation(pairs_of(records), LEVEL)


def test_utilisation_that_nobody_measured_is_never_a_silent_pass():
    check = check_utilisation(pairs_of(paired([0.0, 0.0])), LEVEL)
    assert check.outcome is Outcome.NOT_MEASURABLE


def test_utilisation_passes_fails_and_stays_undecided():
    assert utilisation((61, 62, 60), (77, 76, 78)).outcome is Outcome.PASSED
    assert utilisation((77, 76, 78), (61, 62, 60)).outcome is Outcome.FAILED
    assert utilisation((60, 70, 65), (66, 66, 66)).outcome is Outcome.UNDECIDED


def test_a_training_too_short_for_nvml_is_not_judged():
    check = utilisation((77, 76, 78), (44, 40, 50), time_s=0.35)
    assert check.outcome is Outcome.NOT_MEASURABLE
    assert "0.35 s" in said(check)


def test_a_saturated_card_has_nothing_to_increase():
    check = utilisation((99, 98, 99), (97, 98, 99))
    assert check.outcome is Outcome.PASSED
    assert "nothing to increase" in said(check)


# Limits.


def test_a_limit_of_the_study_is_checked_on_the_means():
    goal = Goal(target=GOAL.target, limits=(Limit.parse("energy_j <= 0.8 * baseline"),))

    def with_winner_at(joules):
        return pairs_of(
            [
                run(config, 1000 + k, 0.09, 1.0, energy_j=used)
                for k in range(2)
                for config, used in ((BASELINE, 100.0), (WINNER, joules))
            ]
        )

    assert check_limits(with_winner_at(70.0), goal).outcome is Outcome.PASSED
    assert check_limits(with_winner_at(90.0), goal).outcome is Outcome.FAILED
    assert check_limits((), goal).outcome is Outcome.UNDECIDED
    assert check_limits(with_winner_at(None), goal).outcome is Outcome.UNDECIDED
    assert "energy_j was not reported" in said(check_limits(with_winner_at(None), goal))
    without_baseline = check_limits(pairs_of(paired([0.0] * 2, winner={"energy_j": 1.0})), goal)
    assert without_baseline.outcome is Outcome.UNDECIDED
    assert "energy_j of the baseline was not reported" in said(without_baseline)
