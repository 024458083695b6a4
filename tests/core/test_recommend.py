"""The answer: who may be recommended, and what is said when nobody may."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.studies import make_record
from tuner.certificate.conclusion import StudyOutcome, conclude
from tuner.core.config import TrialConfig
from tuner.core.estimate import estimates
from tuner.core.goal import Goal, Objective
from tuner.core.limits import Limit
from tuner.core.objectives import Target
from tuner.core.recommend import best_measured, recommend, threshold
from tuner.core.trial import Purpose, TrialState
from tuner.report.conclusion import conclusion_text

TARGET = Goal(target=Target.parse("nrmse < 0.095"))
FAST = TrialConfig(batch_size=24, micro_batch=24, num_taus=4)
BASELINE = make_record("0001", curve=(0.2, 0.0921), epoch_time_s=10.0, purpose=Purpose.BASELINE)


def candidate(nrmse=0.094, epoch_time_s=4.0, **more):
    return make_record("0002", config=FAST, curve=(0.2, nrmse), epoch_time_s=epoch_time_s, **more)


def test_the_fastest_feasible_trial_is_recommended_with_its_speedup_and_margin():
    found = recommend([BASELINE, candidate()], TARGET)
    assert found is not None
    assert found.estimate.config == FAST
    assert found.speedup == pytest.approx(2.5)
    assert found.margin_pct == pytest.approx(100 * (1 - 0.094 / 0.095))


def test_what_is_believed_to_be_the_best_is_recommended_though_another_had_a_shorter_time():
    other = TrialConfig(batch_size=32, micro_batch=16, num_taus=4)
    lucky = replace(candidate(epoch_time_s=3.9), trial_id="0003", config=other)
    records = [BASELINE, candidate(), lucky]
    believed = {FAST: 0.98, other: 0.99}
    assert recommend(records, TARGET).estimate.config == other
    assert recommend(records, TARGET, believed).estimate.config == FAST
    assert recommend(records, TARGET, dict(reversed(believed.items()))).estimate.config == other
    assert recommend(records, TARGET, {other: 0.99}).estimate.config == other


def test_known_estimates_stand_in_for_those_of_the_records():
    records = [BASELINE, candidate()]
    relative = Goal(target=Target.parse("nrmse < 1.05 * baseline"))
    for goal in (TARGET, relative):
        assert recommend(records, goal, known=estimates(records)) == recommend(records, goal)
        assert recommend(records, goal, known={}) is None
    assert threshold(records, relative.target, known={}) is None


@pytest.mark.parametrize(
    "unfit",
    [
        candidate(state=TrialState.STOPPED),
        candidate(state=TrialState.FAILED),
        candidate(state=TrialState.INFEASIBLE),
        candidate(state=TrialState.RUNNING),
        candidate(resumed=True),
        candidate(nrmse=0.0951),
        candidate(nrmse=float("nan")),
        candidate(epoch_time_s=10.0),
        candidate(epoch_time_s=11.0),
    ],
    ids=["stopped", "failed", "infeasible", "running", "resumed", "over", "nan", "equal", "slower"],
)
def test_an_unfit_trial_is_never_recommended(unfit):
    conclusion = conclude([BASELINE, unfit], TARGET)
    assert conclusion.recommendation is None
    assert conclusion.outcome is StudyOutcome.KEEP_BASELINE
    assert conclusion_text(conclusion).startswith("Keep the baseline")


def gone_on(record):
    """The record of a trial whose last epoch came after a checkpoint, on one card."""
    last = record.measurements[-1].epoch
    reports = (replace(m, device="A100", resumed=m.epoch == last) for m in record.measurements)
    return replace(record, measurements=tuple(reports))


def test_a_configuration_that_was_only_ever_resumed_does_not_win_and_one_more_run_of_it_does():
    only = gone_on(candidate())
    assert only.is_whole
    assert recommend([BASELINE, only], TARGET) is None
    assert recommend([BASELINE, only, replace(only, trial_id="0009")], TARGET) is None
    whole = replace(candidate(), trial_id="0009")
    found = recommend([BASELINE, only, whole], TARGET)
    assert found is not None
    assert found.estimate.records == (only, whole)
    assert recommend([gone_on(BASELINE), whole], TARGET) is not None, "a baseline may have gone on"


def test_without_a_measured_baseline_nothing_is_recommended():
    for baseline in ([], [make_record("0001", state=TrialState.FAILED, purpose=Purpose.BASELINE)]):
        conclusion = conclude([*baseline, candidate()], TARGET)
        assert conclusion.outcome is StudyOutcome.NO_BASELINE
        assert conclusion.recommendation is None


def test_what_runs_beats_a_baseline_that_cannot():
    baseline = make_record(
        "0001",
        curve=(),
        state=TrialState.INFEASIBLE,
        purpose=Purpose.BASELINE,
        reason="out of memory",
    )
    conclusion = conclude([baseline, candidate()], TARGET)
    assert conclusion.outcome is StudyOutcome.RECOMMENDED
    assert conclusion.recommendation is not None
    assert conclusion.recommendation.speedup is None
    assert "where the baseline cannot run (out of memory)" in conclusion_text(conclusion)


def test_a_target_nobody_met_names_the_nearest_miss_and_the_gap():
    strict = Goal(target=Target.parse("nrmse < 0.05"))
    conclusion = conclude([BASELINE, candidate()], strict)
    assert conclusion.outcome is StudyOutcome.TARGET_NOT_MET
    assert conclusion.rows["nearest_miss"].trial == BASELINE
    assert "NRMSE 0.0921 (84.2 % over)" in conclusion_text(conclusion)


def test_a_relative_target_is_measured_against_this_runs_baseline():
    relative = Goal(target=Target.parse("nrmse <= 1.01 * baseline"))
    assert recommend([BASELINE, candidate(nrmse=0.0930)], relative) is not None
    assert recommend([BASELINE, candidate(nrmse=0.0931)], relative) is None


def test_a_baseline_that_was_lost_and_asked_again_counts_with_its_repeat():
    lost = make_record("0001", curve=(), state=TrialState.FAILED, purpose=Purpose.BASELINE)
    again = make_record("0003", curve=(0.2, 0.0921), epoch_time_s=10.0, purpose=Purpose.BASELINE)
    found = recommend([lost, candidate(), again], TARGET)
    assert found is not None
    assert found.speedup == pytest.approx(2.5)


@given(
    st.lists(
        st.tuples(st.floats(0.08, 0.11), st.floats(0.1, 20.0), st.sampled_from(TrialState)),
        max_size=10,
    )
)
def test_no_run_ever_recommends_what_is_infeasible_censored_or_not_faster(trials):
    records = [BASELINE] + [
        make_record(
            f"{i:04d}",
            config=TrialConfig(batch_size=24, micro_batch=24, num_taus=i),
            curve=(0.2, nrmse),
            epoch_time_s=time,
            state=state,
        )
        for i, (nrmse, time, state) in enumerate(trials, start=2)
    ]
    found = recommend(records, TARGET)
    if found is not None:
        assert all(record.state is TrialState.COMPLETE for record in found.estimate.records)
        assert found.estimate.nrmse < 0.095
        assert found.estimate.time_s < BASELINE.time_s
        assert found.estimate == best_measured(records, TARGET)
    conclude(records, TARGET)


def with_energy(record, joules):
    return replace(record, measurements=tuple(replace(m, energy_j=joules) for m in record.measurements))


def test_energy_decides_where_it_is_the_objective_and_is_told_in_its_own_terms():
    goal = replace(TARGET, objective=Objective.ENERGY)
    frugal = with_energy(candidate(epoch_time_s=12.0), 300.0)
    baseline = with_energy(BASELINE, 540.0)
    found = recommend([baseline, frugal], goal)
    assert found is not None
    assert (found.value, found.speedup) == (300.0, pytest.approx(1.8))
    assert recommend([baseline, frugal], TARGET) is None  # it is slower
    told = conclusion_text(conclude([baseline, frugal], goal))
    assert "uses 300.00 J, 1.80x less energy than the baseline's 540.00 J" in told
    assert "in 24.00 s" in told


def test_a_baseline_that_did_not_report_the_objective_leaves_nothing_to_compare_with():
    goal = replace(TARGET, objective=Objective.ENERGY)
    conclusion = conclude([BASELINE, with_energy(candidate(), 300.0)], goal)
    assert conclusion.outcome is StudyOutcome.NO_BASELINE
    assert "the baseline did not report energy_j" in conclusion_text(conclusion)


def test_a_baseline_that_never_reached_the_target_makes_the_speed_up_a_least_one():
    goal = replace(TARGET, objective=Objective.TIME_TO_TARGET)
    short = make_record("0001", curve=(0.2, 0.096), epoch_time_s=10.0, purpose=Purpose.BASELINE)
    told = conclusion_text(conclude([short, candidate()], goal))
    assert "stays under the target after 8.00 s, at least 2.50x sooner than the baseline's over" in told


OUT = make_record("0001", curve=(0.2, 0.0970), epoch_time_s=2.0, purpose=Purpose.BASELINE)
"""A baseline that misses the target in 4 s."""


def test_a_baseline_that_misses_the_target_is_beaten_by_the_fastest_that_meets_it_though_it_is_slower():
    slower = replace(candidate(epoch_time_s=6.0), trial_id="0003", config=replace(FAST, num_taus=5))
    conclusion = conclude([OUT, slower, candidate()], TARGET)
    assert conclusion.outcome is StudyOutcome.RECOMMENDED
    assert conclusion.recommendation is not None
    assert conclusion.recommendation.estimate.config == FAST
    assert conclusion.recommendation.speedup == pytest.approx(0.5)
    told = conclusion_text(conclusion)
    against = "0.50x against the baseline's 4.00 s (one run of each; it misses the target at NRMSE 0.0970)"
    assert f"takes 8.00 s, {against}, at NRMSE 0.0940" in told
    assert "faster" not in told


def test_what_is_faster_than_a_baseline_that_misses_the_target_is_told_to_be():
    told = conclusion_text(conclude([OUT, candidate(epoch_time_s=1.0)], TARGET))
    assert "2.00x faster than the baseline's 4.00 s (one run of each; it misses the target at" in told


def test_a_baseline_that_misses_the_target_is_not_kept_where_what_meets_it_is_not_yet_certain():
    conclusion = conclude([OUT, candidate()], TARGET, admitted={})
    assert conclusion.recommendation is None
    told = conclusion_text(conclusion)
    assert told.startswith(f"Nothing is recommended: {FAST} met nrmse < 0.095 at NRMSE 0.0940 (8.00 s), but")
    assert told.endswith("not yet certain to; the baseline misses the target at NRMSE 0.0970.")


def test_a_faster_configuration_that_breaks_a_limit_is_passed_over():
    limited = replace(TARGET, limits=(Limit.parse("energy_j <= 0.8 * baseline"),))
    baseline = with_energy(BASELINE, 500.0)
    fast, slower = with_energy(candidate(), 401.0), with_energy(candidate(epoch_time_s=6.0), 399.0)
    slower = replace(slower, trial_id="0003", config=replace(FAST, num_taus=5))
    found = recommend([baseline, fast, slower], limited)
    assert found is not None
    assert found.estimate.config == slower.config
    conclusion = conclude([baseline, fast], limited)
    assert conclusion.outcome is StudyOutcome.TARGET_NOT_MET
    assert conclusion.rows["nearest_miss"].trial == fast
    assert "its energy_j 401 breaks energy_j <= 0.8 * baseline, that is 400" in conclusion_text(conclusion)
    assert "over)" not in conclusion_text(conclusion)  # it met the target
