"""The decisions of `feasible_and_faster` at rungs, beside those at every epoch."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scheduling.records import CONFIG, record
from tuner.core.trial import TrialRecord, TrialState
from tuner.errors import SpecError
from tuner.scheduling import Continue, Decision, Evidence, FeasibleAndFaster, Rival, Stop, make_rule

LIMIT = 0.1
AT_RUNGS = FeasibleAndFaster(rungs=True)
FIGURES = st.tuples(st.floats(0.5, 5), st.floats(0.01, 1), st.none() | st.floats(0, 1))


def trial(
    nrmse: float, epoch_time_s: float = 1.0, *, epoch: int = 1, num: int = 1, state: TrialState | None = None
) -> TrialRecord:
    found = record([nrmse] * epoch, [epoch_time_s] * epoch, num_epochs=6, state=state)
    return replace(found, trial_id=f"{num:04d}", config=replace(CONFIG, batch_size=6 * num))


def decide(
    mine: TrialRecord,
    *others: TrialRecord,
    chance: float | None = 0.3,
    others_chance: float | None = 0.3,
    rule: FeasibleAndFaster | None = None,
    finished: tuple[TrialRecord, ...] = (),
    threshold: float | None = LIMIT,
) -> Decision:
    rivals = tuple(Rival(record=other, probability=others_chance) for other in others)
    evidence = Evidence(rivals=rivals, probability=chance, threshold=threshold, finished=finished)
    return (rule or AT_RUNGS).decide(mine, evidence)


BETTER = trial(0.2, 1.0, num=2)


def test_what_another_of_its_class_beats_in_both_figures_is_stopped_with_the_numbers() -> None:
    assert decide(trial(0.3, 2.0), BETTER) == Stop(
        "NRMSE 0.3000 after epoch 1, 2nd of 2 that probably miss the target, of which 1 are kept: "
        "trial 0002 had 0.2000 and is projected to 6 s instead of 12 s"
    )


@pytest.mark.parametrize("state", [TrialState.STOPPED, TrialState.COMPLETE, TrialState.FAILED])
def test_ended_trials_count_by_what_they_reported_at_the_rung(state: TrialState) -> None:
    epoch = 6 if state is TrialState.COMPLETE else 1
    other = trial(0.2, 1.0, num=2, epoch=epoch, state=state)
    assert isinstance(decide(trial(0.3, 2.0), other), Stop)


def test_a_trial_of_the_other_class_stops_nothing() -> None:
    assert decide(trial(0.3, 2.0), BETTER, chance=0.3, others_chance=0.6) == Continue()
    assert decide(trial(0.3, 2.0), BETTER, chance=0.6, others_chance=0.3) == Continue()
    assert isinstance(decide(trial(0.3, 2.0), BETTER, chance=0.6, others_chance=0.6), Stop)


def test_no_slower_trial_stops_a_feasible_one_by_its_nrmse() -> None:
    better_but_slower = [trial(0.01 * k, 1.0 + k, num=k) for k in range(2, 6)]
    assert decide(trial(0.09, 1.0), *better_but_slower, chance=0.9, others_chance=0.9) == Continue()


def test_no_faster_trial_stops_one_that_is_better_in_nrmse() -> None:
    faster_but_worse = [trial(0.1 * k, 1 / k, num=k) for k in range(2, 6)]
    assert decide(trial(0.1, 1.0), *faster_but_worse) == Continue()


def test_the_fastest_does_not_survive_by_its_speed_where_feasibility_is_lacking() -> None:
    """Nobody dominates it; but others are nearer to the target, and the finished curves rule it out."""
    curve = record([0.2, 0.19, 0.18, 0.17, 0.16, 0.15], [1] * 6)
    others = [trial(0.2, 2.0, num=2), trial(0.21, 1.9, num=3)]
    assert decide(trial(0.9, 0.1), *others, chance=None, others_chance=None, finished=(curve,)) == Stop(
        "NRMSE 0.9000 after epoch 1, 3rd of 3 that probably miss the target, of which 2 are kept: "
        "0.4725 at best at full budget by 1 finished curves, over the target 0.1000"
    )
    assert decide(trial(0.9, 0.1), *others, chance=None, others_chance=None) == Continue()  # no curve known
    assert (
        decide(trial(0.9, 0.1), *others, chance=0.3, finished=(curve,)) == Continue()
    )  # the model knows more


def test_a_hopeless_trial_among_the_first_of_its_class_goes_on() -> None:
    curve = record([0.2, 0.19, 0.18, 0.17, 0.16, 0.15], [1] * 6)
    assert decide(trial(0.9, 0.1), trial(0.95, 2.0, num=2), chance=None, finished=(curve,)) == Continue()


def test_while_its_probability_is_unknown_its_class_is_that_of_its_projection() -> None:
    """The finished curve ends at half of what it was: 0.15 projects to 0.075, within the target."""
    curve = record([0.2, 0.1, 0.1, 0.1, 0.1, 0.1], [1] * 6)
    given = {"chance": None, "finished": (curve,)}
    mine, other = trial(0.15, 2.0), trial(0.12, 1.0, num=2)
    assert isinstance(decide(mine, other, others_chance=0.9, **given), Stop)  # type: ignore[arg-type]
    assert decide(mine, other, others_chance=0.1, **given) == Continue()  # type: ignore[arg-type]


def test_without_a_threshold_or_between_rungs_nobody_is_compared() -> None:
    assert decide(trial(0.3, 2.0), BETTER, threshold=None) == Continue()
    assert decide(trial(0.3, 2.0, epoch=3), trial(0.2, 1.0, num=2, epoch=3)) == Continue()


def test_without_the_option_nobody_is_compared_at_rungs() -> None:
    assert decide(trial(0.3, 2.0), BETTER, rule=FeasibleAndFaster()) == Continue()


@pytest.mark.parametrize(
    ("options", "stopped"),
    [
        ({}, True),
        ({"rungs": False}, False),
        ({"grace_period": 2}, False),
        ({"time_margin": 1.1}, False),
        ({"nrmse_margin": 0.6}, False),
    ],
)
def test_every_option_of_the_rungs_counts(options: dict[str, float], stopped: bool) -> None:
    rule = replace(AT_RUNGS, **options)  # type: ignore[arg-type]
    assert isinstance(decide(trial(0.3, 2.0), BETTER, rule=rule), Stop) is stopped


def test_the_reduction_factor_says_how_many_of_a_class_are_kept_and_where_rungs_are() -> None:
    others = [BETTER, *(trial(0.4 + k, 3.0, num=3 + k) for k in range(2))]
    for factor, stopped in ((2, False), (4, True)):
        rule = replace(AT_RUNGS, reduction_factor=factor)
        assert isinstance(decide(trial(0.3, 2.0), *others, rule=rule), Stop) is stopped


@given(FIGURES, st.lists(FIGURES, max_size=8), st.randoms(use_true_random=False))
def test_only_what_another_beats_by_the_margins_is_stopped_and_the_order_of_asking_says_nothing(  # type: ignore[no-untyped-def]
    mine, others, random
) -> None:
    def answer(figures):  # type: ignore[no-untyped-def]
        rivals = tuple(
            Rival(record=trial(nrmse, time_s, num=2 + k), probability=p) for k, (time_s, nrmse, p) in figures
        )
        evidence = Evidence(rivals=rivals, threshold=LIMIT, probability=mine[2])
        rule = replace(AT_RUNGS, min_probability=0)
        return rule.decide(trial(mine[1], mine[0]), evidence)

    numbered = list(enumerate(others))
    decision = answer(numbered)
    assert answer(random.sample(numbered, len(numbered))) == decision
    if isinstance(decision, Stop):
        assert any(t * 1.05 < mine[0] and n * 1.05 < mine[1] for t, n, _ in others)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rungs": 1}, "rungs=1 is not one of true, false. Fix: write for example rungs: false."),
        ({"reduction_factor": 1}, "reduction_factor=1 is not a whole number of at least 2"),
        ({"grace_period": 0.5}, "grace_period=0.5 is not a whole number of at least 1"),
        ({"nrmse_margin": -1}, "nrmse_margin=-1 is not a number of at least 0"),
    ],
)
def test_a_wrong_option_is_one_message_with_its_fix(options: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError) as error:
        make_rule("feasible_and_faster", options)
    assert words in str(error.value)
