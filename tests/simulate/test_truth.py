"""The truly best point depends on the objective and on the limits."""

from dataclasses import replace

import numpy as np
import pytest

from tests.studies import make_study
from tuner.core.goal import Objective
from tuner.core.limits import Limit
from tuner.errors import TunerError
from tuner.simulate.guess import supposed_instance, suppositions
from tuner.simulate.hardware import hardware_law
from tuner.simulate.power import LOAD_SHARE, WAITING_SHARE, epoch_energy_j
from tuner.simulate.truth import Truth
from tuner.spec import load_hardware, load_study

TRUTH = Truth(
    time_s=np.array([8.0, 4.0, 2.0]),
    peak_memory_gib=np.array([1.0, 2.0, 3.0]),
    nrmse=np.array([[0.2, 0.09, 0.09, 0.09], [0.2, 0.2, 0.2, 0.09], [0.09, 0.09, 0.2, 0.2]]),
    threshold=0.1,
    energy_j=np.array([5.0, 6.0, 7.0]),
)


def test_the_true_time_to_the_target_is_that_of_the_mean_curve():
    assert TRUTH.objective(Objective.TIME_TO_TARGET) == pytest.approx([4.0, 4.0, 2.0])
    assert TRUTH.objective(Objective.TIME) is TRUTH.time_s
    assert TRUTH.objective(Objective.ENERGY) is TRUTH.energy_j


def test_limits_are_true_or_false_of_every_point():
    assert TRUTH.keeps(Limit.parse("energy_j <= 1.2 * baseline"), 0).tolist() == [True, True, False]
    assert TRUTH.keeps(Limit.parse("peak_memory_gib > 1"), 0).tolist() == [False, True, True]


def test_a_figure_that_is_not_simulated_is_an_error_that_says_so():
    with pytest.raises(TunerError, match="gpu_util_pct is not simulated"):
        TRUTH.keeps(Limit.parse("gpu_util_pct > 1"), 0)
    with pytest.raises(TunerError, match="energy_j is not simulated"):
        replace(TRUTH, energy_j=None).objective(Objective.ENERGY)


def test_a_card_draws_its_waiting_power_and_more_while_rows_are_computed():
    card, columns = load_hardware("a100_40gb"), load_study("a100").lattice.columns
    law = hardware_law(card)
    energy_j = epoch_energy_j(card, law, columns, 2000)
    power_w = energy_j / law.epoch_time_s(columns, 2000)
    assert (power_w > WAITING_SHARE * 400).all()
    assert (power_w < LOAD_SHARE * 400).all()
    busy = law.epoch_rows_s(columns, 2000) / law.epoch_time_s(columns, 2000)
    order = np.argsort(busy)
    assert (np.diff(power_w[order]) > -1e-9).all()


def test_a_simulated_card_reports_energy_and_a_cpu_none():
    for study, reports in ((load_study("a100"), True), (make_study(), False)):
        of = supposed_instance(study)
        assert (of.truth.energy_j is not None) == reports
        assert any("energy" in text.lower() for text in suppositions(study))
