"""Simulated instances: their truth, their noise, and that the sets share nothing."""

import inspect

import numpy as np
import pytest

from tuner.advisor.messages import Probe, Run
from tuner.core.config import TrialConfig
from tuner.core.measurement import Status
from tuner.core.trial import Purpose
from tuner.errors import TunerError
from tuner.simulate import make_instance
from tuner.simulate.alien import ALIEN_LAWS
from tuner.simulate.guess import supposed_instance
from tuner.simulate.instance import quality_groups
from tuner.simulate.quality import DEVELOPMENT_LAWS, HELD_OUT_LAWS, calibrated
from tuner.simulate.recipes import FIRST_SETS
from tuner.spec import load_study

NAMES = [name for recipes in FIRST_SETS.values() for name in recipes]


def run_of(instance, row: int, *, seed: int = 0, trial_id: str = "0001") -> Run:
    return Run(
        trial_id=trial_id,
        config=instance.study.lattice.config(row),
        seed=seed,
        num_epochs=instance.study.stage.num_epochs,
        purpose=Purpose.SEARCH,
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_instance_has_an_optimum_faster_than_its_baseline_unless_it_is_impossible(name):
    for seed in range(3):
        instance = make_instance(name, seed)
        truth, best = instance.truth, instance.truth.optimum
        if "impossible" in name:
            assert best is None
            assert instance.is_success(None)
            continue
        assert truth.is_feasible[best]
        assert truth.time_s[best] * 1.15 < truth.time_s[instance.baseline]
        assert instance.is_success(instance.study.lattice.config(best))
        assert not instance.is_success(None)
        assert truth.is_feasible.mean() < 0.7


def test_the_same_name_and_seed_give_the_same_instance_and_another_seed_another():
    one, again, other = (make_instance("dev-polynomial-h100", seed) for seed in (1, 1, 2))
    assert np.array_equal(one.truth.nrmse, again.truth.nrmse)
    assert one.train(run_of(one, 5), 3) == again.train(run_of(again, 5), 3)
    assert not np.array_equal(one.truth.nrmse, other.truth.nrmse)


def test_the_sets_share_no_law():
    by_set = {name: {recipe.law for recipe in recipes.values()} for name, recipes in FIRST_SETS.items()}
    assert by_set["dev"] <= set(DEVELOPMENT_LAWS)
    assert by_set["first_held_out"] <= set(HELD_OUT_LAWS)
    assert by_set["first_alien"] <= set(ALIEN_LAWS)
    laws = [*DEVELOPMENT_LAWS, *HELD_OUT_LAWS, *ALIEN_LAWS]
    assert len(laws) == len(set(laws))


@pytest.mark.parametrize("law", [*HELD_OUT_LAWS.values(), *ALIEN_LAWS.values()], ids=lambda law: law.__name__)
def test_no_law_of_a_set_for_reporting_calls_a_law_of_development(law):
    assert not any(f"{name}(" in inspect.getsource(law) for name in DEVELOPMENT_LAWS)


@pytest.mark.parametrize("name", NAMES)
def test_micro_batch_never_matters_to_quality(name):
    instance = make_instance(name, 0)
    groups = quality_groups(instance.study.lattice.columns)
    first = np.unique(groups, return_index=True)[1]
    assert np.allclose(instance.truth.nrmse, instance.truth.nrmse[first][groups], rtol=1e-12)


def test_two_micro_batches_with_one_seed_report_the_same_nrmse():
    instance = make_instance("dev-logarithmic-a100", 0)
    values = {"batch_size": 12, "num_taus": 4, "accum_steps": 1}
    rows = [instance.row(TrialConfig.from_dict({**values, "micro_batch": size})) for size in (3, 6)]
    one, other = (instance.train(run_of(instance, row, seed=3), 6) for row in rows)
    assert one.nrmse == pytest.approx(other.nrmse, rel=1e-12)
    assert one.time_s > other.time_s


def test_seeds_spread_as_the_stage_was_measured_to():
    instance = make_instance("dev-logarithmic-a100", 0)
    rows = np.flatnonzero(instance.truth.fits)[::40]
    seen = np.array(
        [[instance.train(run_of(instance, row, seed=s), 6).nrmse for row in rows] for s in range(300)]
    )
    ratio = seen / instance.truth.nrmse[rows, -1]
    assert 0.8 <= 100 * ratio.std(axis=0).mean() <= 0.95
    paired = ratio[:, 1:] - ratio[:, :-1]
    groups = quality_groups(instance.study.lattice.columns)[rows]
    assert 0.93 <= 100 * paired[:, groups[1:] != groups[:-1]].std(axis=0).mean() <= 1.25


def test_early_epochs_rank_as_the_stage_was_measured_to():
    measured = {1: (0.1, 0.75), 2: (0.7, 0.9), 3: (0.78, 0.95), 5: (0.88, 0.99)}
    correlations = []
    for seed in range(6):
        truth = make_instance("dev-logarithmic-a100", seed).truth
        ranks = truth.nrmse.argsort(axis=0).argsort(axis=0)
        correlations.append([np.corrcoef(ranks[:, k], ranks[:, -1])[0, 1] for k in range(6)])
    mean = np.mean(correlations, axis=0)
    for epoch, (low, high) in measured.items():
        assert low <= mean[epoch - 1] <= high


def test_misleading_early_epochs_rank_the_wrong_way_round():
    truth = make_instance("held-power-cpu-misleading", 0).truth
    ranks = truth.nrmse.argsort(axis=0).argsort(axis=0)
    assert np.corrcoef(ranks[:, 0], ranks[:, -1])[0, 1] < 0


def test_what_does_not_fit_runs_out_of_memory_and_is_a_lie_if_recommended():
    instance = make_instance("dev-logarithmic-a100", 0)
    row = int(np.argmax(instance.truth.peak_memory_gib))
    report = instance.train(run_of(instance, row), 1)
    assert report.status is Status.OOM
    assert instance.is_lie(instance.study.lattice.config(row))
    results, _ = instance.probe(Probe(trial_id="p", configs=(instance.study.lattice.config(row),)))
    assert results[0].status is Status.OOM


def test_a_probe_is_a_few_percent_off():
    instance = make_instance("dev-logarithmic-a100", 0)
    configs = [instance.study.lattice.config(int(row)) for row in np.flatnonzero(instance.truth.fits)]
    results, took_s = instance.probe(Probe(trial_id="p", configs=tuple(configs)))
    true = np.array([instance.truth.time_s[instance.row(config)] for config in configs]) / 6
    errors = np.log([result.epoch_time_s for result in results] / true)
    assert 0.025 <= errors.std() <= 0.035
    assert took_s == pytest.approx(len(configs) * instance.probe_s)


def test_the_share_of_lost_trials_is_as_asked_for():
    instance = make_instance("dev-plateau-rtx4090", 0)
    row = instance.baseline
    lost = [
        any(instance.train(run_of(instance, row, trial_id=f"{k}"), epoch) is None for epoch in range(1, 7))
        for k in range(2000)
    ]
    assert 0.02 <= np.mean(lost) <= 0.04


def test_a_further_parameter_joins_the_lattice():
    instance = make_instance("held-precision-a100", 0)
    assert len(instance.study.lattice) == 3 * len(load_study("a100.yaml").lattice)
    assert dict(instance.study.baseline.extra) == {"precision": "fp32"}


def test_the_budget_is_in_trainings_of_the_optimum_and_shared_by_workers():
    one, four = (make_instance("dev-middle-a100", 0, num_workers=n) for n in (1, 4))
    assert one.study.budget.budget_s == pytest.approx(50 * one.unit_s)
    baseline_s = float(four.truth.time_s[four.baseline])
    assert four.study.budget.budget_s == pytest.approx(baseline_s + (50 * one.unit_s - baseline_s) / 4)


def test_a_relative_target_is_the_threshold_by_the_baselines_true_nrmse():
    instance = make_instance("dev-logarithmic-cpu", 0)
    baseline = float(instance.truth.nrmse[instance.baseline, -1])
    assert instance.study.target.is_relative
    assert instance.study.target.threshold(baseline) == pytest.approx(instance.truth.threshold)


def test_an_unknown_instance_is_an_error_that_names_those_like_it():
    with pytest.raises(TunerError, match=r"no simulated instance 'dev-log-a100'.*\n?.*dev-logarithmic-a100"):
        make_instance("dev-log-a100", 0)


CALIBRATION = {  # docs/stage.md: NRMSE against the baseline, percent, by (batch_size, num_taus, accum_steps)
    (6, 3, 1): 0.6, (6, 2, 1): 0.9, (8, 4, 1): -0.1, (12, 4, 1): 0.6, (12, 2, 1): 1.5, (12, 4, 2): 1.9,
    (16, 4, 1): 1.1, (16, 3, 2): 3.5, (16, 2, 2): 4.1, (24, 6, 1): 2.2, (24, 4, 1): 2.0, (24, 2, 1): 3.0,
    (24, 6, 2): 5.1, (24, 4, 2): 4.5, (24, 2, 2): 6.0, (32, 4, 1): 3.2, (32, 2, 1): 4.1,
}  # fmt: skip


def test_the_supposed_quality_is_near_the_calibration():
    keys = [(6, 5, 1), *CALIBRATION]
    batch, taus, accum = (np.array(column) for column in zip(*keys, strict=True))
    law = calibrated({"batch_size": batch, "micro_batch": batch, "num_taus": taus, "accum_steps": accum})
    errors = 100 * (law[1:] - law[0]) - np.array(list(CALIBRATION.values()))
    assert np.abs(errors).max() < 1.1
    assert np.abs(errors).mean() < 0.4


def test_the_supposed_instance_of_a_shipped_study_has_a_feasible_guides_row():
    for name in ("a100", "h100", "rtx4090", "cpu"):
        instance = supposed_instance(load_study(f"{name}.yaml"))
        assert instance.truth.is_feasible[instance.row(instance.study.guide)]
        assert instance.truth.nrmse[instance.baseline, -1] == pytest.approx(0.0921)
