"""The shipped rule judges a trial in the study's objective, at best."""

from dataclasses import replace

import pytest

from tests.scheduling.records import record
from tuner.core.config import TrialConfig
from tuner.core.goal import Objective
from tuner.core.trial import TrialRecord
from tuner.scheduling import Continue, Evidence, FeasibleAndFaster, Stop

BEST = record([0.2, 0.09], [4.0, 4.0], config=TrialConfig(batch_size=12, micro_batch=4, num_taus=4))
RULE = FeasibleAndFaster()


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
