"""A stage reports the quality figure that its study measures, under that name."""

import math

import pytest

from tests.stages import SyntheticStage
from tuner.testing.stage_case import StageCase

PARAMS = {"batch_size": 4, "micro_batch": 2, "num_taus": 2, "accum_steps": 1}


class Likelihood(SyntheticStage):
    """The synthetic stage, which measures a loss below zero."""

    def build(self, params, seed, options):
        super().build(params, seed, {k: v for k, v in options.items() if k != "quality_metric"})

    def evaluate(self):
        return {self.quality_name: super().evaluate()["nrmse"] - 3.0}


def case(stage=Likelihood, **options):
    return StageCase(stage=stage, params=PARAMS, options={"num_samples": 100, **options}, num_epochs=2)


def test_reports_have_it_and_no_nrmse():
    reports = case(quality_metric="nll").undisturbed
    assert all(-3.0 < report["nll"] < -2.0 for report in reports)
    assert not [report for report in reports if "nrmse" in report]


def test_without_a_metric_in_the_study_the_name_is_nrmse():
    assert all(-3.0 < report["nrmse"] < -2.0 for report in case().undisturbed)


def test_a_stage_that_returns_another_is_told_which():
    class Other(Likelihood):
        def evaluate(self):
            return {"nrmse": 0.1}

    with pytest.raises(TypeError, match=r"no number under 'nll'. Fix: return \{'nll': float"):
        case(Other, quality_metric="nll").fresh()


def test_a_figure_that_is_not_finite_is_told_by_its_name():
    class Broken(Likelihood):
        def evaluate(self):
            return {self.quality_name: math.nan}

    [report] = case(Broken, quality_metric="nll").fresh()
    assert (report["status"], report["error"]) == ("nan", "nll is nan")
