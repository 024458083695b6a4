import pickle
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scheduling.records import record
from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord
from tuner.errors import SpecError
from tuner.scheduling import Continue, Evidence, FeasibleAndFaster, NoStopping, Stop, make_rule

NUM_EPOCHS = 6
FAST = TrialConfig(batch_size=12, micro_batch=4, num_taus=4)
positive = st.floats(1e-2, 1e2)
scales = st.floats(0.1, 10)
jitters = st.lists(st.floats(1.0, 1.05), min_size=NUM_EPOCHS, max_size=NUM_EPOCHS)
laws = st.lists(scales, min_size=NUM_EPOCHS, max_size=NUM_EPOCHS)


class Obedient:
    """A rule from elsewhere."""

    def __init__(self, word: str = "stop") -> None:
        self.word = word

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Stop:
        return Stop(self.word)


class NoRule:
    """A class that is not a rule."""


def incumbent(time_s: float) -> TrialRecord:
    return record([0.2, 0.09], [time_s / 2, time_s / 2], config=FAST)


def curves(n: int) -> tuple[TrialRecord, ...]:
    return tuple(record([0.2, 0.16, 0.14], [1, 1, 1]) for _ in range(n))


def is_stopped(rule: FeasibleAndFaster, trial: TrialRecord, evidence: Evidence) -> bool:
    return isinstance(rule.decide(trial, evidence), Stop)


def test_a_trial_too_slow_for_the_incumbent_is_stopped_with_the_numbers() -> None:
    trial = record([0.2], [2.05], num_epochs=6)
    decision = FeasibleAndFaster().decide(trial, Evidence(incumbent=incumbent(8.1)))
    assert decision == Stop(
        "projected 12.3 s at full budget, slower than the incumbent's 8.1 s "
        "(batch_size=12 micro_batch=4 num_taus=4 accum_steps=1)"
    )


def test_a_trial_too_poor_for_the_target_is_stopped_with_the_numbers() -> None:
    trial = record([0.2, 0.1400], [1, 1], num_epochs=3)
    decision = FeasibleAndFaster().decide(trial, Evidence(probability=0.0082, threshold=0.095))
    assert decision == Stop("NRMSE 0.1400 after epoch 2: it meets the target 0.0950 with 0.8 % probability")


def test_feasibility_is_judged_before_time() -> None:
    trial = record([0.2] * 3, [9.0] * 3, num_epochs=6)
    evidence = Evidence(incumbent=incumbent(1.0), probability=0.0, threshold=0.095)
    decision = FeasibleAndFaster().decide(trial, evidence)
    assert isinstance(decision, Stop)
    assert decision.reason.startswith("NRMSE")


def test_without_an_incumbent_time_stops_nothing() -> None:
    trial = record([0.01], [1e6], num_epochs=6)
    assert FeasibleAndFaster().decide(trial, Evidence(threshold=0.1)) == Continue()


def test_while_the_threshold_is_unknown_nrmse_stops_nothing() -> None:
    trial = record([9.0, 9.0], [1, 1], num_epochs=3)
    assert FeasibleAndFaster().decide(trial, Evidence(finished=curves(9), probability=0.0)) == Continue()


@pytest.mark.parametrize(("probability", "stopped"), [(None, False), (0.11, False), (0.09, True)])
def test_nrmse_stops_only_what_is_known_to_be_improbable(probability: float | None, stopped: bool) -> None:
    trial = record([9.0, 9.0], [1, 1], num_epochs=3)
    evidence = Evidence(finished=curves(9), threshold=0.1, probability=probability)
    assert is_stopped(FeasibleAndFaster(min_probability=0.1), trial, evidence) is stopped


@pytest.mark.parametrize(("probability", "stopped"), [(0.0101, False), (0.0099, True)])
def test_one_in_a_hundred_is_improbable_unless_the_study_says_otherwise(
    probability: float, stopped: bool
) -> None:
    trial = record([9.0, 9.0], [1, 1], num_epochs=3)
    evidence = Evidence(threshold=0.1, probability=probability)
    assert is_stopped(FeasibleAndFaster(), trial, evidence) is stopped


@pytest.mark.parametrize(
    ("options", "first_epoch"),
    [({}, 3), ({"min_share": 0.0}, 1), ({"min_share": 0.5}, 3), ({"min_share": 0.6}, 4)],
)
def test_a_probability_stops_no_trial_before_its_share_of_epochs_and_time_does(
    options: dict[str, float], first_epoch: int
) -> None:
    """Curves that cross late look hopeless at first; a third of six epochs are two and a bit."""
    rule = FeasibleAndFaster(**options)  # type: ignore[arg-type]
    seen = [record([9.0] * epoch, [1.0] * epoch, num_epochs=6) for epoch in range(1, 6)]
    hopeless = [is_stopped(rule, trial, Evidence(threshold=0.1, probability=0.0)) for trial in seen]
    assert hopeless == [epoch >= first_epoch for epoch in range(1, 6)]
    assert is_stopped(rule, seen[0], Evidence(incumbent=incumbent(1.0)))


@pytest.mark.parametrize(("time_margin", "stopped"), [(0.0, True), (0.19, True), (0.21, False)])
def test_a_trial_slower_by_less_than_the_margin_runs_on(time_margin: float, stopped: bool) -> None:
    trial = record([0.1], [2.0], num_epochs=6)
    evidence = Evidence(incumbent=incumbent(10.0))
    assert is_stopped(FeasibleAndFaster(time_margin=time_margin), trial, evidence) is stopped


def test_one_slow_epoch_does_not_condemn_a_fast_trial() -> None:
    trial = record([0.2, 0.1], [3.0, 1.0], num_epochs=6)  # 8.0 s at best, 12.0 s by the mean
    assert FeasibleAndFaster().decide(trial, Evidence(incumbent=incumbent(8.0))) == Continue()


def test_nothing_is_stopped_after_its_last_epoch() -> None:
    trial = record([9.0, 9.0, 9.0], [99, 99, 99])
    evidence = Evidence(finished=curves(9), incumbent=incumbent(1.0), threshold=0.1)
    assert FeasibleAndFaster().decide(trial, evidence) == Continue()


def test_nothing_is_stopped_before_its_first_epoch() -> None:
    evidence = Evidence(finished=curves(9), incumbent=incumbent(1.0), threshold=0.1)
    assert FeasibleAndFaster().decide(record([], [], num_epochs=3), evidence) == Continue()


def test_no_stopping_stops_nothing() -> None:
    trial = record([9.0, 9.0], [99, 99], num_epochs=3)
    evidence = Evidence(finished=curves(9), incumbent=incumbent(1.0), threshold=0.1)
    assert NoStopping().decide(trial, evidence) == Continue()


@given(laws, st.lists(scales, max_size=5), scales, positive, jitters, st.floats(1.0, 3.0))
def test_a_trial_that_would_be_feasible_and_faster_is_never_stopped(
    law: list[float],
    others: list[float],
    scale: float,
    epoch_time_s: float,
    jitter: list[float],
    slack: float,
) -> None:
    """Curves proportional to one another, epochs that differ by up to the time margin."""
    curve, times = [scale * g for g in law], [epoch_time_s * j for j in jitter]
    truth = record(curve, times)
    evidence = Evidence(
        finished=tuple(record([other * g for g in law], times) for other in others),
        incumbent=incumbent(truth.time_s * slack),
        threshold=truth.nrmse * slack,
    )
    for epoch in range(1, NUM_EPOCHS + 1):
        seen = record(curve[:epoch], times[:epoch], num_epochs=NUM_EPOCHS)
        assert FeasibleAndFaster().decide(seen, evidence) == Continue()


@given(positive, st.lists(positive, min_size=2, max_size=6, unique=True))
def test_a_faster_incumbent_never_saves_a_trial(epoch_time_s: float, times: list[float]) -> None:
    trial = record([0.1], [epoch_time_s], num_epochs=6)
    verdicts = [
        is_stopped(FeasibleAndFaster(), trial, Evidence(incumbent=incumbent(time_s)))
        for time_s in sorted(times)
    ]
    assert all(faster or not slower for faster, slower in pairwise(verdicts))


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_chance_never_saves_a_trial(one: float, other: float) -> None:
    trial = record([0.5, 0.4], [1, 1], num_epochs=3)
    small, large = (
        is_stopped(FeasibleAndFaster(), trial, Evidence(threshold=0.1, probability=chance))
        for chance in sorted((one, other))
    )
    assert small or not large


def test_long_times_are_written_in_whole_seconds() -> None:
    trial = record([0.1], [2000.0], num_epochs=6)
    decision = FeasibleAndFaster().decide(trial, Evidence(incumbent=incumbent(8000.0)))
    assert isinstance(decision, Stop)
    assert decision.reason.startswith("projected 12000 s at full budget")
    assert "8000 s" in decision.reason


def test_rules_are_made_by_name_with_their_options() -> None:
    assert make_rule("none") == NoStopping()
    assert make_rule("feasible_and_faster") == FeasibleAndFaster()
    options = {"min_probability": 0.2, "time_margin": 0.1}
    assert make_rule("feasible_and_faster", options) == FeasibleAndFaster(**options)  # type: ignore[arg-type]


def test_a_rule_from_elsewhere_gets_its_options() -> None:
    rule = make_rule(f"{__name__}:Obedient", {"word": "halt"})
    assert rule.decide(record([0.1], [1], num_epochs=2), Evidence()) == Stop("halt")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("feasible_and_fast", {}, "did you mean 'feasible_and_faster'"),
        ("feasible_and_faster", {"min_probabilty": 0.2}, "did you mean 'min_probability'"),
        ("none", {"min_probability": 0.2}, "its options are: none"),
        ("feasible_and_faster", {"min_probability": -0.1}, "min_probability=-0.1 is not a number"),
        ("feasible_and_faster", {"min_probability": "5%"}, "min_probability='5%' is not a number"),
        ("feasible_and_faster", {"min_probability": True}, "min_probability=True"),
        ("feasible_and_faster", {"min_share": -0.1}, "min_share=-0.1 is not a number of at least 0"),
        ("feasible_and_faster", {"time_margin": -0.1}, "write for example time_margin: 0.05"),
        ("feasible_and_faster", {"time_margin": float("nan")}, "time_margin=nan"),
        ("feasible_and_faster", {"time_margin": "5%"}, "time_margin='5%' is not a number"),
        ("no_such_module:Rule", {}, "install the module"),
        (f"{__name__}:Obediant", {}, "did you mean 'Obedient'"),
        (f"{__name__}:NoRule", {}, "has no method decide"),
    ],
)
def test_a_mistake_in_the_study_is_one_message_with_its_fix(
    name: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SpecError) as error:
        make_rule(name, options)
    assert words in str(error.value)
    assert error.value.hint


def test_rules_survive_pickling() -> None:
    rule = FeasibleAndFaster(min_probability=0.2)
    assert pickle.loads(pickle.dumps(rule)) == replace(rule)  # noqa: S301
