"""The shipped rules judge a trial in the study's objective, at best, and at rungs as projected."""

from dataclasses import replace

import pytest

from tests.scheduling.records import CONFIG, record
from tuner.core.config import TrialConfig
from tuner.core.goal import Objective
from tuner.core.trial import TrialRecord
from tuner.scheduling import Asha, Continue, Evidence, FeasibleAndFaster, Moasha, Rival, Stop, StoppingRule

BEST = record([0.2, 0.09], [4.0, 4.0], config=TrialConfig(batch_size=12, micro_batch=4, num_taus=4))
RULE = FeasibleAndFaster(rungs=True)


def trial(curve: list[float], *totals_j: float) -> TrialRecord:
    made = record(curve, [2.0] * len(curve), num_epochs=6)
    if not totals_j:
        return made
    pairs = zip(made.measurements, totals_j, strict=True)
    return replace(made, measurements=tuple(replace(m, energy_j=j) for m, j in pairs))


def evidence(objective: Objective, to_beat: float | None) -> Evidence:
    return Evidence(incumbent=BEST, objective=objective, to_beat=to_beat, threshold=0.1)


def test_energy_is_projected_like_time_and_the_numbers_are_told() -> None:
    """10 J, then 8 J: at best 18 + 4 * 8 = 50 J."""
    running = trial([0.2, 0.15], 10.0, 18.0)
    assert RULE.decide(running, evidence(Objective.ENERGY, 48.0)) == Continue()  # within the margin
    assert RULE.decide(running, evidence(Objective.ENERGY, 47.0)) == Stop(
        "projected 50 J at full budget, more energy than the incumbent's 47 J "
        "(batch_size=12 micro_batch=4 num_taus=4 accum_steps=1)"
    )


def test_a_slow_trial_that_is_lower_in_energy_goes_on() -> None:
    running = trial([0.2, 0.15], 1.0, 2.0)  # 12 s against 8 s
    assert isinstance(RULE.decide(running, evidence(Objective.TIME, None)), Stop)
    assert RULE.decide(running, evidence(Objective.ENERGY, 10.0)) == Continue()


def test_a_trial_under_the_target_is_never_stopped_for_the_time_after_it_got_there() -> None:
    """After 2 s it was there; that 12 s is over 8 s does not matter."""
    running = trial([0.09, 0.09, 0.09, 0.09, 0.09])
    assert RULE.decide(running, evidence(Objective.TIME_TO_TARGET, 4.0)) == Continue()


def test_a_trial_still_over_the_target_is_stopped_once_its_time_has_passed_the_incumbents() -> None:
    early, late = trial([0.2]), trial([0.2, 0.2])
    assert RULE.decide(early, evidence(Objective.TIME_TO_TARGET, 4.0)) == Continue()
    assert RULE.decide(late, evidence(Objective.TIME_TO_TARGET, 4.0)) == Stop(
        "projected 6 s until the target is reached, later than the incumbent's 4 s "
        "(batch_size=12 micro_batch=4 num_taus=4 accum_steps=1)"
    )


@pytest.mark.parametrize("objective", [Objective.ENERGY, Objective.TIME_TO_TARGET])
def test_what_cannot_be_said_stops_nothing(objective: Objective) -> None:
    assert RULE.decide(trial([0.2, 0.2]), evidence(objective, None)) == Continue()
    unknown = replace(evidence(objective, 0.1), threshold=None)
    assert RULE.decide(trial([0.2, 0.2]), unknown) == Continue()


def at_first_rung(nrmse: float, time_s: float, *totals_j: float, num: int = 1) -> TrialRecord:
    made = record([nrmse], [time_s], num_epochs=6)
    reports = tuple(replace(m, energy_j=j) for m, j in zip(made.measurements, totals_j, strict=False))
    config = replace(CONFIG, batch_size=6 * num)
    return replace(made, trial_id=f"{num:04d}", config=config, measurements=reports or made.measurements)


def against(objective: Objective, *others: TrialRecord) -> Evidence:
    rivals = tuple(Rival(record=other, probability=0.3) for other in others)
    return Evidence(rivals=rivals, objective=objective, threshold=0.1, probability=0.3)


QUICK_AND_WASTEFUL = at_first_rung(0.3, 1.0, 10.0)
SLOW_AND_FRUGAL = at_first_rung(0.2, 2.0, 5.0, num=2)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (RULE, "trial 0002 had 0.2000 and is projected to 30 J instead of 60 J"),
        (Moasha(), "NRMSE 0.3000 and projected 60 J at full budget after epoch 1: 2nd of 2 trials"),
        (Asha(metric="objective"), "projected 60 J at full budget after epoch 1: 2nd of 2 trials"),
    ],
    ids=["feasible_and_faster", "moasha", "asha"],
)
def test_at_a_rung_a_lower_energy_beats_a_shorter_time_where_energy_is_the_objective(
    rule: StoppingRule, words: str
) -> None:
    stopped = rule.decide(QUICK_AND_WASTEFUL, against(Objective.ENERGY, SLOW_AND_FRUGAL))
    assert isinstance(stopped, Stop)
    assert words in stopped.reason
    assert rule.decide(QUICK_AND_WASTEFUL, against(Objective.TIME, SLOW_AND_FRUGAL)) == Continue()


def test_asha_on_time_stays_on_time_whatever_the_objective() -> None:
    evidence = against(Objective.ENERGY, SLOW_AND_FRUGAL)
    assert Asha(metric="time_s").decide(QUICK_AND_WASTEFUL, evidence) == Continue()
    assert isinstance(
        Asha(metric="time_s").decide(SLOW_AND_FRUGAL, against(Objective.ENERGY, QUICK_AND_WASTEFUL)), Stop
    )


@pytest.mark.parametrize("rule", [RULE, Moasha(), Asha(metric="objective")])
def test_who_did_not_report_the_objective_is_not_compared_at_a_rung(rule: StoppingRule) -> None:
    silent = at_first_rung(0.3, 1.0)
    assert rule.decide(silent, against(Objective.ENERGY, SLOW_AND_FRUGAL)) == Continue()
    silent_rival = at_first_rung(0.2, 0.5, num=3)
    assert rule.decide(QUICK_AND_WASTEFUL, against(Objective.ENERGY, silent_rival)) == Continue()


@pytest.mark.parametrize(("epoch_time_s", "is_stopped"), [(1.2, True), (1.6, False)])
def test_a_trial_over_the_target_is_left_behind_only_by_one_that_was_there_before_its_next_epoch(
    epoch_time_s: float, is_stopped: bool
) -> None:
    """One trial may reach the target after 3 s; the other did after two of its epochs."""
    mine = record([0.3, 0.12], [1.0, 1.0], num_epochs=6)
    other = record([0.2, 0.09], [epoch_time_s] * 2, num_epochs=6, config=replace(CONFIG, batch_size=12))
    decision = RULE.decide(mine, against(Objective.TIME_TO_TARGET, replace(other, trial_id="0002")))
    assert isinstance(decision, Stop) is is_stopped
