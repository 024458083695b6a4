"""Decisions on what runs next, when a configuration is qualified, and when the search is over."""

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from tests.search.cases import LR, lattice
from tests.search.situations import (
    BASELINE,
    FASTEST,
    LATTICE,
    OTHERS,
    acquisition,
    epoch_s,
    predictions,
    probed,
    problem,
    ran,
    running,
    search,
    strategy,
)
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialState
from tuner.search.observations import Probed
from tuner.search.policy.acquisition import Acquisition, Runs
from tuner.search.policy.admission import MIN_RUNS, Admission, accepted_error
from tuner.search.policy.probing import MEMORY_PROBES_AT_ONCE, PROBES_AT_ONCE, ProbeStep
from tuner.search.policy.stopping import Decided
from tuner.search.policy.strategy import MIN_TRIED, RunStep

GOOD, BAD = 0.080, 0.200
ALIKE = StageTraits(quality_invariant_to=("micro_batch",))
RELATIVE = "nrmse <= 1.02 * baseline"


def noisy(mean, sd=0.0005, draw=0):
    """A law whose runs scatter about `mean(config)`, each (configuration, seed) always alike."""

    def law(config, seed):
        values = tuple(int(v) for v in config.as_dict().values())
        return mean(config) + sd * float(np.random.default_rng([draw, seed, *values]).standard_normal())

    return law


LAWS = {
    "all good": noisy(lambda c: GOOD),
    "all bad": noisy(lambda c: BAD),
    "large batches bad": noisy(lambda c: 0.085 + 0.004 * (c.batch_size - 4)),
    "few taus bad": noisy(lambda c: 0.080 + 0.03 * (3 - c.num_taus)),
    "just missed": noisy(lambda c: 0.0955, sd=0.001),
    "large micro-batches out of memory": lambda c, seed: None if c.micro_batch > 2 else GOOD,
}


@cache
def search_under(law, **more):
    """Searches under a law, once; nothing of what it gives may be changed."""
    return search(problem(), LAWS[law], **more)


@pytest.fixture(scope="module", params=LAWS)
def searched(request):
    return request.param, *search_under(request.param)


# What is asked.


def test_only_legal_points_are_run(searched):
    _, records, _, _ = searched
    assert all(LATTICE.why_not(record.config) is None for record in records)


def test_no_configuration_is_run_twice_with_one_seed(searched):
    _, records, _, _ = searched
    asked = [(record.config, record.seed) for record in records]
    assert len(asked) == len(set(asked))


def test_what_is_certified_in_the_end_truly_meets_the_target(searched):
    name, records, _, _ = searched
    for config in strategy(problem(), records).qualified:
        assert np.mean([LAWS[name](config, seed) for seed in range(100, 130)]) < 0.095


def test_what_misses_the_target_by_half_a_percent_is_certified_in_at_most_one_of_ten_searches():
    """22 such configurations, noise of 1 %: the luckiest of many runs is far within the target.

    In draw 8 the first two runs of the fastest are both lucky by 2.3 deviations: no search could tell.
    """
    num_qualified = 0
    for draw in range(10):
        law = noisy(lambda c: 0.0955, sd=0.001, draw=draw)
        records, _, _ = search(problem(trainings=500.0), law)
        assert min(record.nrmse for record in records) < 0.095
        num_qualified += bool(strategy(problem(), records).qualified)
    assert num_qualified <= 1


def test_a_continuous_parameter_stays_legal():
    of = lattice(LR)
    base = of.config(0, {"lr": 1e-3})
    fast = of.config(len(of) - 1, {"lr": 2e-3})
    situation = problem(of, baseline=base)
    step = strategy(situation, [ran(base, GOOD), ran(fast, GOOD)]).next_step()
    assert isinstance(step, RunStep)
    assert of.why_not(step.config) is None


def test_what_lies_on_the_target_is_given_up_when_more_runs_would_hardly_decide_it():
    two = lattice(max_batch=4, max_micro=1)
    other = next(config for config in two if config != BASELINE)
    runs = [ran(other, 0.0950 + 0.0008 * (-1) ** seed, seed) for seed in range(100)]
    asked = [
        isinstance(strategy(problem(two), [ran(BASELINE, GOOD), *runs[:num]]).next_step(), RunStep)
        for num in (4, 100)
    ]
    assert asked == [True, False]


# How a search ends.


def test_where_everything_is_good_the_fastest_is_found_and_certified_with_little():
    records, _, last = search_under("all good")
    assert strategy(problem(), records).qualified[0] == FASTEST
    assert len(records) <= 8
    assert str(FASTEST) in last.reason


def test_where_nothing_is_good_it_says_so_and_does_not_try_everything():
    records, _, last = search_under("all bad")
    assert strategy(problem(), records).qualified == ()
    assert last.reason.startswith(
        "no candidate that could be faster than the baseline and meet nrmse < 0.095"
    )
    assert len({record.config for record in records}) < len(LATTICE) / 2


def test_where_large_batches_are_bad_the_fastest_of_the_others_is_found():
    records, _, _ = search_under("large batches bad")
    best = strategy(problem(), records).qualified[0]
    feasible = [c for c in LATTICE if 0.085 + 0.004 * (c.batch_size - 4) < 0.0945]
    assert epoch_s(best) <= 1.05 * min(map(epoch_s, feasible))


def test_where_the_fast_do_not_fit_the_fastest_that_fits_is_found():
    records, _, _ = search_under("large micro-batches out of memory")
    best = strategy(problem(), records).qualified[0]
    assert (best.micro_batch, best.num_taus) == (2, 2)
    assert sum(record.state is TrialState.INFEASIBLE for record in records) <= 3


def test_one_surely_good_and_fastest_is_certified_after_two_runs_and_then_nothing_is_left():
    records = [ran(BASELINE, GOOD), ran(FASTEST, GOOD)]
    step = strategy(problem(), records).next_step()
    assert step == RunStep(config=FASTEST, seed=1)
    records.append(ran(FASTEST, GOOD, 1))
    assert strategy(problem(), records).qualified[0] == FASTEST
    assert isinstance(strategy(problem(), records, probed(LATTICE)).next_step(), Decided)


def test_a_baseline_that_is_the_fastest_is_kept():
    situation = problem(baseline=FASTEST)
    records = [ran(FASTEST, GOOD), ran(FASTEST, GOOD, 1), ran(BASELINE, GOOD)]
    last = strategy(situation, records, probed(LATTICE)).next_step()
    assert isinstance(last, Decided)
    assert last.reason.startswith("no candidate that could be faster than the baseline")


# What is qualified.


def test_one_run_certifies_nothing_however_good():
    for nrmse in (GOOD, 0.01):
        found = strategy(problem(), [ran(BASELINE, GOOD), ran(FASTEST, nrmse)])
        assert found.qualified == ()


def test_two_runs_do_not_certify_what_may_still_miss_the_target():
    records = [ran(BASELINE, GOOD), ran(FASTEST, 0.0940, 0), ran(FASTEST, 0.0953, 1)]
    assert FASTEST not in strategy(problem(), records).qualified


def test_a_stricter_study_certifies_less():
    records = [ran(BASELINE, 0.0935), ran(FASTEST, 0.0934, 0), ran(FASTEST, 0.0936, 1)]
    lax, strict = (strategy(problem(max_error=e), records).qualified for e in (0.2, 0.0005))
    assert FASTEST in lax
    assert FASTEST not in strict


def test_what_misses_with_more_than_the_searchs_share_of_the_error_is_recommendable_but_asked_again():
    records = [ran(BASELINE, GOOD), *(ran(FASTEST, 0.0944 + 0.0008 * (-1) ** s, s) for s in range(8))]
    found = predictions(problem(), records)
    assert 1 - problem().max_error < found.probability(FASTEST) < 1 - accepted_error(problem())
    assert FASTEST in Admission(found).recommendable
    assert FASTEST not in Admission(found).qualified
    assert strategy(problem(), records, probed(LATTICE)).next_step() == RunStep(config=FASTEST, seed=8)


def test_runs_of_equal_quality_count_together():
    twin = next(c for c in OTHERS if (c.batch_size, c.num_taus) == (8, 2))
    records = [ran(BASELINE, GOOD), ran(FASTEST, GOOD), ran(twin, GOOD, 1)]
    assert set(strategy(problem(traits=ALIKE), records).qualified) == {FASTEST, twin}
    assert strategy(problem(), records).qualified == ()


def test_a_stopped_or_infeasible_configuration_is_never_certified():
    stopped = [ran(FASTEST, GOOD, s, state=TrialState.STOPPED, num_ran=3) for s in (0, 1, 2)]
    assert strategy(problem(), [ran(BASELINE, GOOD), *stopped]).qualified == ()
    broken = ran(FASTEST, GOOD, 2, state=TrialState.INFEASIBLE, num_ran=0, constraint="memory")
    good = [ran(FASTEST, GOOD, s) for s in (0, 1)]
    assert strategy(problem(), [ran(BASELINE, GOOD), *good, broken]).qualified == ()


def test_what_diverged_is_not_run_again_and_says_nothing_of_its_neighbours():
    diverged = ran(FASTEST, GOOD, state=TrialState.INFEASIBLE, num_ran=0, constraint="finite")
    found = predictions(problem(), [ran(BASELINE, GOOD), diverged])
    others = np.array([config != FASTEST for config in found.candidates.configs])
    assert (found.fits[~others] == 0).all()
    assert (found.fits[others] == 1).all()
    step = strategy(problem(), [ran(BASELINE, GOOD), diverged]).next_step()
    assert isinstance(step, RunStep)
    assert step.config != FASTEST


def test_the_fastest_certified_comes_first():
    slow = OTHERS[0]
    records = [ran(c, GOOD, s) for c in (BASELINE, slow, FASTEST) for s in range(MIN_RUNS)]
    found = strategy(problem(), records).qualified
    assert found[0] == FASTEST
    assert [epoch_s(c) for c in found] == sorted(epoch_s(c) for c in found)


# Running trials.


def test_what_runs_lowers_the_worth_of_what_is_slower_and_of_nothing_faster():
    middle = min(OTHERS, key=lambda c: abs(epoch_s(c) - 45))
    done = [ran(BASELINE, GOOD), ran(BASELINE, GOOD, 1)]
    before = acquisition(problem(), done)._gain_s
    after = acquisition(problem(), [*done, running(middle)])._gain_s
    slower = np.array([epoch_s(c) > 1.05 * epoch_s(middle) for c in LATTICE])
    assert (after <= before + 1e-9).all()
    worthwhile = slower & (before > 1)
    assert worthwhile.any()
    assert (after[worthwhile] < 0.9 * before[worthwhile]).all()


def test_while_a_doubtful_configuration_runs_it_gets_no_second_run_and_one_of_equal_quality_none_either():
    known = [ran(BASELINE, 0.0949), running(FASTEST)]
    step = strategy(problem(traits=ALIKE), known).next_step()
    assert isinstance(step, RunStep)
    assert (step.config.batch_size, step.config.num_taus) != (FASTEST.batch_size, FASTEST.num_taus)


def test_the_fewer_the_trainings_that_a_saving_is_for_the_sooner_the_search_ends():
    records = [ran(BASELINE, GOOD), ran(FASTEST, 0.0953)]
    assert isinstance(strategy(problem(), records).next_step(), RunStep)
    rarely = strategy(replace(problem(), trainings=0.01), records).next_step()
    assert isinstance(rarely, Decided)
    assert rarely.reason.startswith("no candidate that could be faster than the baseline and meet ")
    assert rarely.reason.endswith(" is promising enough for another run to pay off in 0.01 trainings")


def test_that_nothing_is_better_is_not_believed_before_a_few_configurations_were_tried():
    """Nothing there is worth its seconds, but what may be good pays if it is as fast as hoped."""
    records = [ran(BASELINE, 0.0947), ran(BASELINE, 0.0949, 1)]
    situation = problem(trainings=3.0)
    steps = []
    while isinstance(step := strategy(situation, records).next_step(), RunStep):
        assert step.config not in {record.config for record in records}
        steps.append(step)
        records.append(ran(step.config, BAD, step.seed))
    assert len({record.config for record in records}) == MIN_TRIED
    assert steps
    hopeless = problem(
        trainings=0.9
    )  # a training of `FASTEST` costs half of the baseline's: as much as it saves
    assert isinstance(strategy(hopeless, records[:2]).next_step(), Decided)


def test_a_running_trial_is_not_asked_for_again_with_its_seed():
    step = strategy(problem(), [ran(BASELINE, GOOD), running(FASTEST)]).next_step()
    assert not (isinstance(step, RunStep) and (step.config, step.seed) == (FASTEST, 0))


def test_how_far_a_running_trial_has_come_means_nothing_yet():
    done = [ran(BASELINE, GOOD), ran(FASTEST, GOOD), ran(OTHERS[4], BAD)]
    started, halfway = (
        [*done, ran(OTHERS[9], 0.05, state=TrialState.RUNNING, num_ran=num_ran)] for num_ran in (0, 3)
    )
    assert (predictions(problem(), started).feasible == predictions(problem(), halfway).feasible).all()
    assert (predictions(problem(), started).time_s == predictions(problem(), halfway).time_s).all()
    assert strategy(problem(), started).next_step() == strategy(problem(), halfway).next_step()


# Relative targets.


def test_the_baseline_runs_again_where_it_is_what_is_uncertain():
    two = lattice(max_batch=4, max_micro=1)
    other = next(config for config in two if config != BASELINE)
    situation = problem(two, RELATIVE)
    records = [ran(BASELINE, 0.0900)]
    records += [ran(other, 0.0910 + 0.0007 * (-1) ** seed, seed) for seed in range(8)]
    assert other not in strategy(situation, records).qualified
    assert strategy(situation, records).next_step() == RunStep(config=BASELINE, seed=1)
    known = acquisition(situation, records)
    assert known.wanted_runs(list(two).index(other)) is not Runs.OWN


def test_what_had_many_runs_and_is_nearly_qualified_needs_the_baselines_and_not_still_more_of_its_own():
    two = lattice(max_batch=4, max_micro=1)
    other = next(config for config in two if config != BASELINE)
    situation = problem(two, "nrmse <= 1.05 * baseline")
    records = [ran(BASELINE, 0.0900, seed) for seed in range(3)]
    records += [ran(other, 0.09417, seed) for seed in range(40)]
    assert 0.9 < predictions(situation, records).probability(other) < 1 - accepted_error(situation)
    assert strategy(situation, records).next_step() == RunStep(config=BASELINE, seed=3)


def test_an_absolute_target_asks_for_a_candidates_own_runs_alone():
    known = acquisition(problem(), [ran(BASELINE, GOOD), ran(FASTEST, 0.0945), ran(FASTEST, 0.0948, 1)])
    assert {known.wanted_runs(row) for row in range(len(LATTICE))} == {Runs.OWN}


def test_under_an_absolute_target_a_baseline_that_meets_it_never_runs_again():
    for name in LAWS.keys() - {"all bad", "just missed"}:
        records, _, _ = search_under(name)
        assert sum(record.config == BASELINE for record in records) == 1


def test_a_baseline_that_misses_the_target_is_nothing_to_beat_and_the_fastest_that_meets_it_is_found():
    def law(config, seed):
        return noisy(lambda c: 0.1 if c.num_taus == 2 else 0.085)(config, seed)

    situation = problem(baseline=FASTEST)
    records, _, _ = search(situation, law)
    best = strategy(situation, records).qualified[0]
    slower = [c for c in LATTICE if c.num_taus == 3]
    assert epoch_s(FASTEST) < epoch_s(best) <= 1.05 * min(map(epoch_s, slower))


def test_seeds_that_are_bad_luck_for_all_do_not_mislead_a_relative_target():
    """Every run of seed 1 is 10 % worse: paired, the candidate is still as good as the baseline."""
    of_seed = (1.0, 1.1, 1.0, 1.1)
    records = [ran(c, 0.09 * of_seed[s], s) for s in range(4) for c in (BASELINE, FASTEST)]
    assert predictions(problem(target=RELATIVE), records).probability(FASTEST) > 0.85


# Probes.


def test_without_probing_nothing_is_probed():
    _, probes, _ = search_under("large batches bad", probe_cost_s=None)
    assert probes == []


def test_a_cheap_probe_comes_first_and_of_configurations_far_apart():
    step = strategy(problem(), [ran(BASELINE, GOOD)], probe_cost_s=0.1).next_step()
    assert isinstance(step, ProbeStep)
    assert len(set(step.configs)) == len(step.configs) == PROBES_AT_ONCE
    assert {c.micro_batch for c in step.configs} >= {1, 4}
    assert {c.num_taus for c in step.configs} == {2, 3}


def test_what_would_be_worth_more_than_all_else_if_it_fitted_is_probed_and_not_given_up():
    """Its 8 rows would probably take 1.02 of 1 GiB; all that was measured has 4 at most."""
    situation = problem(traits=StageTraits(capacity_gib=1.0))
    records = [ran(BASELINE, GOOD, memory_gib=3 * 0.1275)]
    few = probed([c for c in OTHERS if c.micro_batch * c.num_taus <= 4])
    known = [replace(p, peak_memory_gib=0.1275 * p.config.micro_batch * p.config.num_taus) for p in few]
    found = predictions(situation, records, known)
    row = found.candidates.index[FASTEST]
    assert 0.0 < found.fits[row] < 0.1
    judged = Acquisition(found, Admission(found))
    assert judged.values_if_it_fits.argmax() == row != judged.values.argmax()
    step = strategy(situation, records, known, probe_cost_s=0.1).next_step()
    assert isinstance(step, ProbeStep)
    assert FASTEST in step.configs
    assert len(step.configs) <= MEMORY_PROBES_AT_ONCE
    dear = strategy(situation, records, known, probe_cost_s=0.2 * 4 * epoch_s(FASTEST)).next_step()
    assert isinstance(dear, RunStep)
    assert dear.config != FASTEST
    fits = replace(probed([FASTEST])[0], peak_memory_gib=0.99)
    assert strategy(situation, records, [*known, fits]).next_step().config == FASTEST
    too_large = Probed(config=FASTEST, epoch_time_s=None, is_too_large=True)
    after = strategy(situation, records, [*known, too_large], probe_cost_s=0.1).next_step()
    asked = after.configs if isinstance(after, ProbeStep) else (after.config,)
    assert max(c.micro_batch * c.num_taus for c in asked) < 8, "nor does anything as large"


def test_a_probe_that_costs_as_much_as_a_trial_is_not_asked_for():
    costly = 4 * epoch_s(BASELINE)
    step = strategy(problem(), [ran(BASELINE, GOOD)], probe_cost_s=costly).next_step()
    assert isinstance(step, RunStep)


@pytest.mark.parametrize("law", ["large batches bad", "all good"])
def test_no_configuration_is_probed_twice_and_only_legal_ones(law):
    _, probes, _ = search_under(law, probe_cost_s=0.1)
    asked = [config for step in probes for config in step.configs]
    assert asked
    assert len(asked) == len(set(asked))
    assert all(LATTICE.why_not(config) is None for config in asked)


def test_what_the_model_takes_for_too_slow_is_timed_if_it_may_well_be_faster():
    """All are alike to the model, and times scatter by 20 %: each of those not timed may be the fastest."""
    factors = (0.8, 1.25, 0.9, 1.2, 0.85, 1.1)
    known = [
        replace(one, epoch_time_s=one.epoch_time_s * factors[k % len(factors)])
        for k, one in enumerate(probed(OTHERS[:15]))
    ]
    records = [ran(BASELINE, GOOD), *(ran(FASTEST, GOOD, seed) for seed in range(MIN_RUNS))]
    step = strategy(problem(), records, known, probe_cost_s=0.01).next_step()
    assert isinstance(step, ProbeStep)
    assert set(step.configs) <= set(OTHERS[15:])
    found = predictions(problem(), records, known)
    slower = [c for c in step.configs if found.time_s[found.candidates.index[c]] > 4 * epoch_s(FASTEST)]
    assert slower, "the model takes them for slower than the best"
    steady = strategy(problem(), records, probed(OTHERS[:15]), probe_cost_s=0.01).next_step()
    assert not isinstance(steady, ProbeStep)


def test_of_a_noisy_clock_a_single_short_time_is_not_believed_whole():
    noise = (1.1, 0.9, 1.12, 0.88, 1.05, 0.95, 1.1, 0.9)
    others = [ran(config, GOOD) for config in OTHERS[5:12]]
    lucky = _timed(ran(FASTEST, GOOD), 0.8)
    steady = [ran(BASELINE, GOOD, seed) for seed in range(8)]
    noisy_runs = [_timed(run, factor) for run, factor in zip(steady, noise, strict=True)]
    believed = [
        predictions(problem(), [*runs, *others, lucky]).time_s[LATTICE.index(FASTEST)]
        / (4 * epoch_s(FASTEST))
        for runs in (steady, noisy_runs)
    ]
    assert believed[0] == pytest.approx(0.8, abs=0.02)
    assert 0.84 < believed[1] < 0.95


def _timed(run, factor):
    """Returns the run with all its times multiplied."""
    seen = (
        replace(m, time_s=m.time_s * factor, epoch_time_s=m.epoch_time_s * factor) for m in run.measurements
    )
    return replace(run, measurements=tuple(seen))


def test_probed_times_are_known():
    found = predictions(problem(), [ran(BASELINE, GOOD)], probed(OTHERS[:8]))
    rows = [found.candidates.index[c] for c in OTHERS[:8]]
    truth = np.array([4 * epoch_s(c) for c in OTHERS[:8]])
    assert found.time_s[rows] == pytest.approx(truth, rel=0.02)
    assert found.time_spread[rows].max() < 0.06


# Probes whose times are only in proportion to those of trainings, as a script's are.

IN_PROPORTION = StageTraits(can_probe=True, probes_in_proportion=True)


def test_what_was_trained_is_probed_first_and_the_others_once_that_is_known():
    situation = problem(traits=IN_PROPORTION)
    records = [ran(BASELINE, GOOD), ran(FASTEST, GOOD)]
    assert strategy(situation, records, probe_cost_s=0.1).next_step() == ProbeStep(
        configs=(BASELINE, FASTEST)
    )
    known = probed([BASELINE, FASTEST], factor=40.0)
    step = strategy(situation, records, known, probe_cost_s=0.1).next_step()
    assert isinstance(step, ProbeStep)
    assert len(step.configs) > 4
    assert not {BASELINE, FASTEST} & set(step.configs)


def test_probes_that_do_not_go_with_trainings_are_the_last():
    situation = problem(traits=IN_PROPORTION)
    records = [ran(BASELINE, GOOD), ran(FASTEST, GOOD)]
    apart = [*probed([BASELINE], factor=40.0), *probed([FASTEST], factor=4.0)]
    assert isinstance(strategy(situation, records, apart, probe_cost_s=0.1).next_step(), RunStep)


def test_once_it_is_known_that_a_probe_costs_as_much_as_a_training_none_follows():
    situation = problem(traits=IN_PROPORTION)
    known = probed([BASELINE], factor=40.0)
    step = strategy(situation, [ran(BASELINE, GOOD)], known, probe_cost_s=4 * epoch_s(BASELINE)).next_step()
    assert isinstance(step, RunStep)


def test_a_set_up_that_is_long_itself_is_not_even_tried():
    slow = ran(BASELINE, GOOD)
    last = replace(slow.measurements[-1], setup_time_s=epoch_s(BASELINE))
    slow = replace(slow, measurements=(*slow.measurements[:-1], last))
    situation = problem(traits=IN_PROPORTION)
    assert isinstance(strategy(situation, [slow], probe_cost_s=0.1).next_step(), RunStep)


def test_times_in_proportion_are_as_good_as_seconds_once_the_baseline_has_told_the_factor():
    situation = problem(traits=IN_PROPORTION)
    known = probed([BASELINE, *OTHERS[:8]], factor=40.0)
    found = predictions(situation, [ran(BASELINE, GOOD)], known)
    rows = [found.candidates.index[c] for c in OTHERS[:8]]
    truth = np.array([4 * epoch_s(c) for c in OTHERS[:8]])
    assert found.time_s[rows] == pytest.approx(truth, rel=0.05)
    assert found.time_spread[rows].max() < 0.2


@pytest.mark.parametrize("law", ["all good", "large micro-batches out of memory"])
def test_a_search_with_such_probes_needs_fewer_whole_trainings_than_one_without(law):
    without, none, _ = search_under(law)
    probing, probes, decided = search(problem(traits=IN_PROPORTION), LAWS[law], probe_cost_s=0.1, factor=40.0)
    assert (none, bool(probes)) == ([], True)
    assert decided.reason
    assert len(probing) < len(without)
    best = [
        min((r.time_s, str(r.config)) for r in records if r.state is TrialState.COMPLETE)
        for records in (without, probing)
    ]
    assert best[0] == best[1]


def test_what_a_probe_found_infeasible_for_another_reason_than_memory_is_not_run_and_bounds_no_memory():
    diverged = [Probed(config=FASTEST, epoch_time_s=None)]
    found = predictions(problem(), [ran(BASELINE, GOOD)], diverged)
    assert found.fits[found.candidates.index[FASTEST]] == 0.0
    assert found.fits.sum() == pytest.approx(len(LATTICE) - 1)
    too_large = [Probed(config=FASTEST, epoch_time_s=None, is_too_large=True)]
    assert predictions(problem(), [ran(BASELINE, GOOD)], too_large).fits.sum() < len(LATTICE) - 1


def test_a_stopped_trials_memory_tells_what_does_not_fit():
    """A script without a probe tells its memory so, though it ran only some of its epochs."""
    of = problem(traits=StageTraits(capacity_gib=1.0))
    stopped = ran(FASTEST, BAD, state=TrialState.STOPPED, num_ran=1, memory_gib=0.9)
    started = predictions(of, [ran(BASELINE, GOOD, memory_gib=0.3), stopped])
    larger = [c for c in OTHERS if c.micro_batch > FASTEST.micro_batch]
    rows = [started.candidates.index[c] for c in larger]
    assert (started.fits[rows] < 0.1).all()
    assert (predictions(of, [ran(BASELINE, GOOD, memory_gib=0.3)]).fits[rows] > 0.5).all()


# Verification, for searches that propose by other means.


@pytest.mark.parametrize("law", LAWS)
def test_only_what_was_run_is_verified(law):
    rng = np.random.default_rng(0)
    configs = [BASELINE, *(LATTICE.config(int(row)) for row in rng.choice(len(LATTICE), 6, replace=False))]
    records = []
    for config in dict.fromkeys(configs):
        nrmse = LAWS[law](config, 0)
        if nrmse is not None:
            records.append(ran(config, nrmse))
        step = strategy(problem(), records).verification() if records else None
        if step is not None:
            assert any(record.config == step.config for record in records)
            assert step.seed == 1


def test_what_is_good_and_fast_is_verified_until_certified_and_no_further():
    records = [ran(BASELINE, GOOD), ran(FASTEST, GOOD)]
    assert strategy(problem(), records).verification() == RunStep(config=FASTEST, seed=1)
    records.append(ran(FASTEST, GOOD, 1))
    assert strategy(problem(), records).verification() is None


def test_what_is_bad_or_slower_than_the_certified_is_not_verified():
    assert strategy(problem(), [ran(BASELINE, GOOD), ran(FASTEST, BAD)]).verification() is None
    qualified = [ran(FASTEST, GOOD, seed) for seed in range(2)]
    records = [ran(BASELINE, GOOD), *qualified, ran(OTHERS[0], GOOD)]
    assert strategy(problem(), records).verification() is None


# Partial curves.


def test_a_partial_curve_tells_of_its_end_once_three_are_known():
    known = zip((BASELINE, *OTHERS[3:16:6]), (0.085, 0.092, 0.1, 0.11), strict=True)
    done = [ran(config, nrmse, seed) for seed, (config, nrmse) in enumerate(known)]
    before = predictions(problem(), done).probability(FASTEST)
    outlooks = []
    for nrmse in (0.07, 0.08, 0.09, 0.10, 0.12):
        under_way = ran(FASTEST, nrmse, state=TrialState.RUNNING, num_ran=3)
        outlooks.append(predictions(problem(), [*done, under_way]).outlook(under_way))
    assert all(worse < better for better, worse in pairwise(outlooks))
    assert outlooks[0] > 5 * before
    assert outlooks[-1] < 0.001
    few = predictions(problem(), [*done[:2], under_way])
    assert few.outlook(under_way) is None


def test_before_anything_was_measured_the_most_promising_is_anything_and_nothing_breaks():
    found = strategy(problem(), [])
    assert isinstance(found.next_step(), RunStep)
    assert found.qualified == ()
    assert found.verification() is None
    assert math.isinf(Admission(predictions(problem(), [])).to_beat)
