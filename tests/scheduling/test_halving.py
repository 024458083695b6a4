"""`asha`, `moasha` and the rungs they share."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scheduling.records import CONFIG, record
from tuner.core.measurement import Measurement, Status
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.errors import SpecError
from tuner.scheduling import Asha, Continue, Evidence, Moasha, Rival, Stop, comparable, make_rule
from tuner.scheduling.moasha import num_before
from tuner.scheduling.rungs import is_rung, num_kept, reports_at
from tuner.scheduling.words import ordinal

NUM_EPOCHS = 9
POINTS = st.lists(st.tuples(st.floats(1, 9), st.floats(0.01, 1)), max_size=9)


def trial(nrmse: float, epoch_time_s: float = 1.0, *, epoch: int = 1, num: int = 1) -> TrialRecord:
    found = record([nrmse] * epoch, [epoch_time_s] * epoch, num_epochs=NUM_EPOCHS)
    return replace(found, trial_id=f"{num:04d}", config=replace(CONFIG, batch_size=6 * num))


def against(points: list[tuple[float, float]], epoch: int = 1) -> Evidence:
    """Rivals of which each reported (seconds an epoch, NRMSE)."""
    records = [trial(nrmse, time_s, epoch=epoch, num=k) for k, (time_s, nrmse) in enumerate(points, start=2)]
    return Evidence(rivals=tuple(Rival(record=r) for r in records))


@pytest.mark.parametrize(
    ("grace_period", "reduction_factor", "expected"),
    [(1, 2, [1, 2, 4, 8]), (1, 3, [1, 3]), (2, 3, [2, 6]), (9, 2, [])],
)
def test_rungs_are_a_grace_period_and_its_multiples_before_the_end(
    grace_period: int, reduction_factor: int, expected: list[int]
) -> None:
    rungs = [
        epoch
        for epoch in range(NUM_EPOCHS + 1)
        if is_rung(trial(0.1, epoch=epoch), grace_period=grace_period, reduction_factor=reduction_factor)
    ]
    assert rungs == expected


def test_a_report_that_went_wrong_reaches_no_rung() -> None:
    oom = Measurement(status=Status.OOM, epoch=2, nrmse=float("nan"), time_s=1, epoch_time_s=1, error="no")
    assert not is_rung(trial(0.1).observed(oom), grace_period=1, reduction_factor=2)


@pytest.mark.parametrize(("num", "kept"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 3), (10, 4)])
def test_one_in_so_many_is_kept_and_the_first_always(num: int, kept: int) -> None:
    assert num_kept(num, 3) == kept


def test_a_trial_is_compared_by_what_it_reported_at_the_rung_whatever_came_later() -> None:
    later = record([0.5, 0.4, 0.1], [2.0, 9.0, 9.0], num_epochs=NUM_EPOCHS, state=TrialState.STOPPED)
    (report,) = reports_at([later], 1, Evidence())
    assert report.point == (18.0, 0.5)


def test_who_did_not_reach_a_rung_or_turned_out_infeasible_holds_no_place_there() -> None:
    infeasible = replace(trial(0.1, epoch=3), state=TrialState.INFEASIBLE)
    assert reports_at([infeasible, trial(0.1, epoch=2), trial(0.1, epoch=0)], 3, Evidence()) == []


def test_neither_the_trial_nor_its_lost_run_nor_other_purposes_are_rivals_and_a_repeat_counts_once() -> None:
    mine = trial(0.2, num=1)
    my_lost_run = replace(mine, trial_id="0000", state=TrialState.FAILED)
    lost, repeat = replace(trial(0.3, num=2), state=TrialState.FAILED), trial(0.3, num=2, epoch=2)
    other_seed = replace(trial(0.3, num=2), seed=1)
    others = [replace(trial(0.1, num=3), purpose=p) for p in Purpose if p is not Purpose.SEARCH]
    assert comparable(mine, [my_lost_run, *others, lost, mine, repeat, other_seed]) == [repeat, other_seed]


def test_asha_keeps_the_best_third_and_says_by_which_numbers_another_is_stopped() -> None:
    evidence = against([(1, 0.1), (1, 0.2), (1, 0.3)])
    assert Asha().decide(trial(0.15), evidence) == Continue()
    assert Asha().decide(trial(0.25), evidence) == Stop(
        "NRMSE 0.2500 after epoch 1: 3rd of 4 trials that reached it, of which 2 may go on"
    )


def test_asha_lets_equal_figures_go_on() -> None:
    assert Asha().decide(trial(0.1), against([(1, 0.1)] * 5)) == Continue()


def test_asha_on_time_compares_projected_seconds_and_not_nrmse() -> None:
    evidence, slow_and_good = against([(1, 0.9), (1, 0.8)]), trial(0.1, 2.0)
    assert Asha().decide(slow_and_good, evidence) == Continue()
    assert Asha(metric="time_s").decide(slow_and_good, evidence) == Stop(
        "projected 18 s at full budget after epoch 1: 3rd of 3 trials that reached it, of which 1 may go on"
    )


def test_moasha_stops_what_is_on_a_later_front_than_those_kept() -> None:
    evidence = against([(1, 0.1), (2, 0.4)])
    assert Moasha().decide(trial(0.05, 9.0), against([(1, 0.1)])) == Stop(
        "NRMSE 0.0500 and projected 81 s at full budget after epoch 1: 2nd of 2 trials that reached it, "
        "of which 1 may go on"
    )
    assert isinstance(Moasha().decide(trial(0.2, 2.0), evidence), Stop)
    assert Moasha().decide(trial(0.9, 0.5), evidence) == Continue()  # the fastest, however poor


def test_moasha_keeps_the_ends_of_a_front_before_its_middle() -> None:
    ends = [(1.0, 0.5), (1.5, 0.45), (4.5, 0.15), (5.0, 0.1)]
    assert isinstance(Moasha().decide(trial(0.3, 3.0), against(ends)), Stop)  # 2 of 5 are kept: the ends
    assert Moasha().decide(trial(0.05, 6.0), against(ends)) == Continue()


@given(POINTS, st.floats(1, 9), st.floats(0.01, 1), st.randoms(use_true_random=False))
def test_the_order_in_which_rivals_were_asked_says_nothing(points, time_s, nrmse, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(points, len(points))
    assert num_before((time_s, nrmse), points) == num_before((time_s, nrmse), shuffled)
    for rule in (Asha(), Moasha()):
        mine = trial(nrmse, time_s)
        assert rule.decide(mine, against(points)) == rule.decide(mine, against(shuffled))


@pytest.mark.parametrize("rule", [Asha, Moasha])
def test_every_option_of_the_rungs_changes_what_is_stopped(rule: type[Asha] | type[Moasha]) -> None:
    def stops(epoch: int, **options: int) -> bool:
        better = against([(1, 0.1), (1, 0.2), (1, 0.3)], epoch)
        return isinstance(rule(**options).decide(trial(0.25, 1.0, epoch=epoch), better), Stop)

    assert stops(1)
    assert stops(3)
    assert not stops(2)
    assert stops(2, grace_period=2)
    assert not stops(1, grace_period=2)
    assert stops(4, reduction_factor=4)
    worst_of_three = against([(1, 0.1), (1, 0.2)])
    assert isinstance(rule().decide(trial(0.15), worst_of_three), Stop)
    assert rule(reduction_factor=2).decide(trial(0.15), worst_of_three) == Continue()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("asha", {"metric": "nmrse"}, "metric='nmrse' is not one of nrmse, time_s, objective"),
        ("asha", {"metric": ["nrmse"]}, "write for example metric: nrmse"),
        ("asha", {"reduction_factor": 1}, "reduction_factor=1 is not a whole number of at least 2"),
        ("asha", {"grace_period": 0}, "write for example grace_period: 1"),
        ("moasha", {"reduction_factor": 2.5}, "reduction_factor=2.5 is not a whole number"),
        ("moasha", {"grace_period": True}, "grace_period=True is not a whole number"),
        ("moasha", {"metric": "nrmse"}, "its options are: reduction_factor, grace_period"),
    ],
)
def test_a_wrong_option_is_one_message_with_its_fix(
    name: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SpecError) as error:
        make_rule(name, options)
    assert words in str(error.value)


def test_places_are_written_as_one_says_them() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == (
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]
    )
