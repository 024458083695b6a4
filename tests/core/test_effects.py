"""The recommended values that are as good as the baseline's, and those that must stay as measured."""

import math
import random
from dataclasses import replace

import pytest

from tests.studies import report
from tuner.core.config import TrialConfig
from tuner.core.effects import MIN_EQUIVALENT, to_export, unread
from tuner.core.trial import TrialRecord, TrialState
from tuner.core.twins import AllTwins

BASELINE = TrialConfig(batch_size=6, micro_batch=3, num_taus=5)
WINNER = TrialConfig(batch_size=24, micro_batch=24, num_taus=2, accum_steps=2)
TWIN = replace(WINNER, accum_steps=1)
OTHERS = [TrialConfig(batch_size=size, micro_batch=size, num_taus=3) for size in (8, 12, 16, 32)]


QUICKER = (4.0, 3.99)


def run(config, nrmse, time_s=4.0, seed=0, *, state=TrialState.COMPLETE, **figures):
    return TrialRecord(
        trial_id=f"{config} {seed}",
        config=config,
        seed=seed,
        num_epochs=1,
        state=state,
        measurements=(report(1, nrmse, time_s, time_s, **figures),),
    )


def accumulated(config):
    return replace(config, accum_steps=2)


def pair(config, nrmse=0.0912345678, *, times=(4.0, 4.02), change=0.0, seed=0, **later):
    """A run without and one with accumulation, of which NRMSE changes by so much."""
    return [
        run(config, nrmse, times[0], seed),
        run(accumulated(config), nrmse * (1 + change), times[1], seed, **later),
    ]


def export(records, recommended=WINNER, is_legal=lambda config: True):
    return to_export(AllTwins(records), BASELINE, recommended, is_legal)


def is_kept(records):
    """Whether accum_steps keeps the baseline's 1; nothing else ever may."""
    found = export(records)
    names = [one.name for one in found.no_effect]
    assert found.config == (TWIN if names else WINNER)
    assert names in ([], ["accum_steps"])
    return bool(names)


# A stage that never reads it.


def test_a_parameter_that_the_stage_never_reads_keeps_the_baselines_value():
    """Chosen 2 for a clock that was 0.5 % quicker by chance: the failing input of the pipeline."""
    [one] = export(pair(TWIN)).no_effect
    assert (one.name, one.kept, one.recommended, one.num_pairs) == ("accum_steps", 1, 2, 1)
    assert one.text == "accum_steps had no measurable effect: kept at the baseline's 1"
    assert export(pair(TWIN)).config == TWIN


def test_without_a_pair_of_runs_nothing_is_said():
    assert not is_kept([])
    assert not is_kept([run(WINNER, 0.0912345678), run(BASELINE, 0.0912345678)])


@pytest.mark.parametrize(
    "unlike",
    [
        {"change": 2e-9},
        {"times": (4.0, 3.87)},
        {"peak_memory_gib": 0.30},
        {"state": TrialState.STOPPED},
        {"resumed": True},
    ],
    ids=["nrmse", "time", "memory", "stopped", "resumed"],
)
def test_what_changes_any_figure_or_was_not_measured_whole_stays_as_recommended(unlike):
    assert not is_kept(pair(TWIN, **unlike))


def test_energy_counts_as_well():
    plain = [replace(r, measurements=(replace(r.last, energy_j=100.0),)) for r in pair(TWIN)]
    assert is_kept(plain)
    costlier = replace(plain[1], measurements=(replace(plain[1].last, energy_j=110.0),))
    assert not is_kept([plain[0], costlier])


def test_runs_with_other_seeds_are_no_pair():
    one, other = pair(TWIN)
    assert not is_kept([one, replace(other, seed=1)])


def test_a_single_pair_in_which_it_is_read_speaks_against_all_others():
    """One pair with other values counts too: a stage that reads 4 reads 2."""
    equal = [*pair(TWIN), *pair(OTHERS[0], times=QUICKER)]
    assert is_kept(equal)
    assert not is_kept([*equal, *pair(OTHERS[1], change=0.01)])
    assert not is_kept([*equal, run(replace(TWIN, accum_steps=4), 0.0917)])
    assert not is_kept([*equal, run(replace(TWIN, accum_steps=4), 0.0912345678, 4.4)])


def test_pairs_of_one_other_configuration_do_not_speak_for_the_recommended_one():
    """A chunk larger than the batch changes nothing there, and something where it is smaller."""
    assert not is_kept(pair(OTHERS[0]))
    assert not is_kept([*pair(OTHERS[0]), *pair(OTHERS[0], 0.0922222222, seed=1)])
    assert is_kept([*pair(OTHERS[0]), *pair(OTHERS[1], 0.0933333333, times=QUICKER)])


def test_an_nrmse_of_few_digits_may_be_equal_by_chance_and_needs_two_pairs():
    assert not is_kept(pair(TWIN, 0.0913))
    assert is_kept([*pair(TWIN, 0.0913), *pair(OTHERS[0], 0.0921, times=QUICKER)])
    assert not is_kept([*pair(TWIN, 0.09), *pair(OTHERS[0], 0.092, times=QUICKER)])


def test_a_knob_of_the_speed_alone_is_effective_by_its_times():
    """Equal NRMSE in every pair, 2 % apart on a quiet clock: within the margin, and significant."""
    times = [(4.0, 3.92), (4.01, 3.93), (4.0, 3.921)]
    records = [r for config, both in zip(OTHERS, times, strict=False) for r in pair(config, times=both)]
    assert not is_kept(records)


def test_a_steady_difference_of_less_than_one_percent_is_none():
    """A device that gets warmer, or a run that always comes second, makes one that is significant."""
    times = [(4.0, 4.004), (4.01, 4.0141), (4.0, 4.0041)]
    records = [r for config, both in zip(OTHERS, times, strict=False) for r in pair(config, times=both)]
    assert is_kept(records)
    steady = scattered(0, 8, time_effect=0.002, time_sd=0.0002)
    assert is_kept(steady)
    assert not is_kept(scattered(0, 8, time_effect=0.015, time_sd=0.0002))
    assert not is_kept(scattered(0, 8, nrmse_effect=0.002, nrmse_sd=0.0002))


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.INFEASIBLE])
def test_a_run_that_broke_beside_one_that_did_not_shows_an_effect(state):
    """The baseline's value ran out of memory where the recommended one fits: it must not be exported."""
    broken = replace(run(TWIN, math.nan), state=state)
    elsewhere = [*pair(OTHERS[0]), *pair(OTHERS[1], 0.0933333333, times=QUICKER)]
    assert is_kept([*elsewhere, run(WINNER, 0.0912345678)])
    assert not is_kept([*elsewhere, broken, run(WINNER, 0.0912345678)])
    assert is_kept([*elsewhere, broken, replace(run(WINNER, math.nan), state=state)])
    assert unread(AllTwins([*elsewhere, broken, run(WINNER, 0.0912345678)]), BASELINE) == {}
    again = run(TWIN, 0.0912345678)
    assert is_kept([*elsewhere, broken, again, run(WINNER, 0.0912345678)])
    assert not is_kept([*scattered(0, 8), replace(broken, seed=9), run(WINNER, 0.09, seed=9)])


def test_a_clock_that_others_disturbed_shows_nothing():
    assert not is_kept(pair(TWIN, contended=True))
    assert is_kept([*pair(TWIN, times=(4.0, 5.0), contended=True), *pair(OTHERS[0])])


# A stage whose runs scatter.


def scattered(seed, num, *, nrmse_effect=0.0, time_effect=0.0, nrmse_sd=0.002, time_sd=0.005):
    rng = random.Random(seed)
    records = []
    for k in range(num):
        nrmse, time_s = 0.09 + 0.001 * k, 4.0 + k
        records.append(run(TWIN, nrmse, time_s, k))
        nrmse *= math.exp(nrmse_effect + rng.gauss(0, nrmse_sd))
        records.append(run(WINNER, nrmse, time_s * math.exp(time_effect + rng.gauss(0, time_sd)), k))
    return records


def test_where_runs_scatter_equivalence_is_shown_or_nothing_is_said():
    equal = [is_kept(scattered(seed, 8)) for seed in range(40)]
    assert sum(equal) > 30
    assert not any(is_kept(scattered(seed, MIN_EQUIVALENT - 1)) for seed in range(40))


@pytest.mark.parametrize("effect", [{"nrmse_effect": 0.005}, {"time_effect": 0.03}, {"time_effect": -0.02}])
def test_an_effect_at_or_near_the_margin_is_called_none_in_few_studies(effect):
    wrong = [is_kept(scattered(seed, 8, **effect)) for seed in range(100)]
    assert sum(wrong) <= 5


def test_a_parameter_that_is_never_read_is_named_where_the_baselines_value_is_recommended():
    [one] = export(pair(TWIN), TWIN).no_effect
    assert (one.name, one.kept, one.recommended, one.other) == ("accum_steps", 1, 1, 2)
    assert export(pair(TWIN), TWIN).config == TWIN
    assert not export(pair(TWIN, change=0.01), TWIN).no_effect


def test_what_makes_no_difference_anywhere_is_shown_by_pairs_of_two_configurations():
    both = [*pair(OTHERS[0]), *pair(OTHERS[1], 0.0933333333, times=QUICKER)]
    [(name, values)] = unread(AllTwins(both), BASELINE).items()
    [(value, seen)] = values.items()
    assert (name, value) == ("accum_steps", (False, 2))
    sizes = {(False, size) for size in (8, 12)}
    assert seen == {
        *(("batch_size", s) for s in sizes),
        *(("micro_batch", s) for s in sizes),
        ("num_taus", (False, 3)),
    }
    assert unread(AllTwins(pair(TWIN)), BASELINE) == {}
    assert unread(AllTwins([*both, *pair(OTHERS[2], change=0.01)]), BASELINE) == {}
    assert unread(AllTwins([*both, *pair(OTHERS[2], times=(4.0, 5.0))]), BASELINE) == {}


def test_pairs_judged_run_by_run_are_judged_as_all_at_once():
    runs = [
        *pair(OTHERS[0]),
        *pair(OTHERS[1], 0.0933333333, times=QUICKER),
        run(OTHERS[2], 0.0, state=TrialState.FAILED),
        *pair(OTHERS[2], change=0.01),
    ]
    twins, seen = AllTwins(), []
    for num, record in enumerate(runs, start=1):
        twins.add(record)
        seen.append(unread(twins, BASELINE))
        assert seen[-1] == unread(AllTwins(runs[:num]), BASELINE)
        for name in BASELINE.as_dict():
            assert twins.of(name) == AllTwins(runs[:num]).of(name)
    assert seen[3]
    assert not seen[-1]


# What is exported.


def test_what_would_break_a_constraint_is_not_exported():
    kept = export(pair(TWIN), is_legal=lambda config: config.accum_steps > 1)
    assert kept.config == WINNER
    assert kept.no_effect[0].text.endswith("2 stays, because the baseline's 1 breaks a constraint here")
    smaller = replace(BASELINE, micro_batch=6)  # 3 divides it, 5 does not
    records = [run(replace(smaller, micro_batch=size), 0.0912345678) for size in (6, 3)]
    baseline = TrialConfig(batch_size=5, micro_batch=5, num_taus=5)
    divides = lambda config: config.batch_size % config.micro_batch == 0  # noqa: E731
    assert to_export(AllTwins(records), baseline, smaller, divides).config == smaller


def test_two_values_that_are_legal_only_together_are_kept_together():
    """6 samples in chunks of 3, against 32 in chunks of 16: neither value of one divides with the other's."""
    winner = replace(BASELINE, batch_size=32, micro_batch=16)
    divides = lambda config: config.batch_size % config.micro_batch == 0  # noqa: E731
    baseline = replace(BASELINE, batch_size=6, micro_batch=6)
    chunks = [
        run(replace(winner, batch_size=size, micro_batch=m), 0.0912345678)
        for size in (24, 48)
        for m in (6, 16)
    ]
    batches = [
        run(replace(winner, batch_size=b, micro_batch=m), 0.0912345678) for b in (6, 32) for m in (1, 2)
    ]
    both = to_export(AllTwins([*chunks, *batches]), baseline, winner, divides)
    assert both.config == baseline
    assert [(one.name, one.is_legal) for one in both.no_effect] == [
        ("batch_size", True),
        ("micro_batch", True),
    ]
    alone = to_export(AllTwins(chunks), baseline, winner, divides)
    assert alone.config == winner
    assert [(one.name, one.is_legal) for one in alone.no_effect] == [("micro_batch", False)]


def test_a_parameter_of_the_stages_own_is_kept_and_one_the_baseline_lacks_is_not():
    def with_extra(config, **values):
        return replace(config, extra=tuple(sorted(values.items())))

    winner = with_extra(TWIN, workers=4, fused=True)
    twin = with_extra(TWIN, workers=2, fused=True)
    records = [run(winner, 0.0912345678), run(twin, 0.0912345678)]
    kept = to_export(AllTwins(records), with_extra(BASELINE, workers=2), winner, lambda config: True)
    assert kept.config == twin
    assert [one.name for one in kept.no_effect] == ["workers"]


def test_whether_pairs_are_equal_is_kept_as_runs_come_and_is_what_all_of_them_say():
    """One that failed is repeated: the pair that it spoilt is then a pair of equal runs."""
    broken = run(accumulated(OTHERS[0]), 0.0912345678, state=TrialState.FAILED)
    records = [*pair(TWIN), run(OTHERS[0], 0.0912345678), broken, *pair(OTHERS[0]), *pair(OTHERS[1])]
    growing, said = AllTwins(), []
    for number, record in enumerate(records, start=1):
        growing.add(record)
        said.append(growing.are_equal("accum_steps"))
        assert said[-1] == AllTwins(records[:number]).are_equal("accum_steps")
    assert said == [True] * 3 + [False] * 2 + [True] * 3
    growing.add(run(accumulated(OTHERS[1]), 0.0912345, seed=0))
    assert not growing.are_equal("accum_steps")


def test_of_what_is_left_out_nothing_is_said():
    both = [*pair(TWIN), *pair(OTHERS[2])]
    assert unread(AllTwins(both), BASELINE)
    assert not unread(AllTwins(both), BASELINE, left_out=["accum_steps"])
