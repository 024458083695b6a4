"""Harder instances: thin margins, baselines that miss, and laws that no two kinds of set share."""

import inspect
from itertools import combinations

import numpy as np
import pytest

from benchmarks.search.arms import Ours
from tests.simulate.test_instances import run_of
from tuner.simulate import VirtualClock, make_instance
from tuner.simulate.harder import HARDER_SETS
from tuner.simulate.harder.draw import LAWS, SHAPES
from tuner.simulate.harder.recipes import SELECT
from tuner.simulate.harder.target import LEAST_MARGIN, MIN_SPEEDUP, MOST_MARGIN
from tuner.simulate.harder.times import DEVELOP_TIMES, REPORT_TIMES, SELECT_TIMES
from tuner.simulate.instances import LAWS as FIRST_LAWS

RECIPES = {name: recipe for recipes in HARDER_SETS.values() for name, recipe in recipes.items()}
REPORTED = ("held_out", "alien")


def test_no_two_sets_share_a_law_and_none_takes_one_of_the_first_sets():
    for one, other in combinations([*(set(laws) for laws in LAWS.values()), set(FIRST_LAWS)], 2):
        assert not one & other
    for name, recipes in HARDER_SETS.items():
        assert {recipe.law for recipe in recipes.values()} == set(LAWS[name])
    modules = {name: {inspect.getmodule(law) for law in laws.values()} for name, laws in LAWS.items()}
    assert all(len(found) == 1 for found in modules.values())
    assert len(set.union(*modules.values())) == len(LAWS)


def test_the_reported_sets_have_curves_and_times_of_their_own():
    developed = {recipe.curve for name in ("develop", "select") for recipe in HARDER_SETS[name].values()}
    for name in REPORTED:
        assert not developed & {recipe.curve for recipe in HARDER_SETS[name].values()}
        assert not set(SHAPES[name]) & set(SHAPES["develop"])
        assert {recipe.time for recipe in HARDER_SETS[name].values()} <= {"", *REPORT_TIMES}
    assert not set(REPORT_TIMES) & (set(DEVELOP_TIMES) | set(SELECT_TIMES))


@pytest.mark.parametrize("name", RECIPES)
def test_the_optimum_has_a_thin_margin_and_the_baseline_is_of_its_kind(name):
    instance = make_instance(name, 0)
    truth, best, base = instance.truth, instance.optimum, instance.baseline
    final, kind = truth.nrmse[:, -1], RECIPES[name].baseline
    assert LEAST_MARGIN <= 1 - final[best] / truth.threshold <= MOST_MARGIN
    faster = truth.fits & (truth.time_s < truth.time_s[best])
    assert (final[faster] > (1 - LEAST_MARGIN) * truth.threshold).all()
    assert truth.is_feasible[base] == (kind == "meets")
    if kind == "meets":
        assert truth.time_s[base] > MIN_SPEEDUP * truth.time_s[best]
    if kind == "misses_and_is_faster":
        assert truth.time_s[base] < truth.time_s[best]


def test_margins_spread_over_the_whole_range():
    margins = []
    for seed in range(12):
        instance = make_instance("develop-patchwork-rtx4090", seed)
        best = instance.truth.nrmse[instance.optimum, -1]
        margins.append(100 * (1 - best / instance.truth.threshold))
    assert min(margins) < 0.5
    assert max(margins) > 1.4


def test_a_feasible_answer_faster_than_the_reference_optimum_is_a_success():
    instance = make_instance("develop-hinges-a100", 0)
    truth, best = instance.truth, instance.optimum
    is_faster = truth.fits & (truth.time_s < truth.time_s[best])
    thin = np.flatnonzero(is_faster & truth.is_feasible)
    missed = np.flatnonzero(is_faster & ~truth.is_feasible)
    assert thin.size
    assert missed.size
    for row, is_right in ((best, True), (thin[0], True), (missed[0], False), (instance.baseline, False)):
        config = instance.study.lattice.config(int(row))
        assert instance.is_success(config) == is_right
        assert instance.is_lie(config) == (row == missed[0])


def test_a_rare_recipe_leaves_a_few_percent_of_the_points():
    for name, recipe in SELECT.items():
        if recipe.regime == "rare":
            truth = make_instance(name, 0).truth
            assert truth.is_feasible.sum() <= 0.05 * truth.fits.sum()


def test_where_micro_batch_matters_no_stage_says_that_it_does_not():
    for name in ("develop-chunks-a100-micro", "unseen-chunks-a100-micro", "other-resonance-a100-micro"):
        instance = make_instance(name, 0)
        rows = [k for k, c in enumerate(instance.study.lattice) if (c.batch_size, c.num_taus) == (24, 4)]
        assert len(np.unique(instance.truth.nrmse[rows, -1])) > 3  # more than accum_steps tells apart
        assert Ours(instance, VirtualClock(), 1).advisor.traits.quality_invariant_to == ()


def test_outliers_leave_the_mean_over_seeds_where_it_is():
    instance = make_instance("develop-valley-rtx4090-outliers", 0)
    row, true = instance.optimum, instance.truth.nrmse[instance.optimum, -1]
    seen = np.array([instance.train(run_of(instance, row, seed=k), 6).nrmse for k in range(1500)]) / true
    assert abs(seen.mean() - 1) < 0.002
    assert 0.02 < (seen > 1.025).mean() < 0.06
    assert (seen < 0.965).mean() < 0.002


def test_noise_may_differ_between_configurations():
    instance = make_instance("develop-terraces-h100-spread", 0)
    rows = [int(np.argmin(instance.spread)), int(np.argmax(instance.spread))]
    seen = np.log(
        [[instance.train(run_of(instance, row, seed=k), 6).nrmse for k in range(200)] for row in rows]
    )
    quiet, noisy = seen.std(axis=1)
    assert noisy > 2 * quiet


def test_late_curves_rank_the_wrong_way_round_until_two_thirds():
    for name in ("develop-signal-h100-late", "other-rings-rtx4090-late"):
        ranks = make_instance(name, 0).truth.nrmse.argsort(axis=0).argsort(axis=0)
        assert np.corrcoef(ranks[:, 2], ranks[:, -1])[0, 1] < 0.2
