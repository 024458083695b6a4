"""Predictions of objective and limits, in moments made up of runs."""

from dataclasses import replace

import numpy as np
import pytest

from tests.search.situations import BASELINE, FASTEST, LATTICE, NUM_EPOCHS, epoch_s, predictions, problem, ran
from tuner.core.goal import Objective
from tuner.core.limits import Limit
from tuner.core.trial import TrialRecord

SPREAD = tuple(LATTICE)[::4]


def watts(config) -> float:
    return 100.0 * config.micro_batch**0.5


def frugal(config, nrmse: float = 0.09, seed: int = 0, **more) -> TrialRecord:
    """A run that reports its power and energy."""
    record = ran(config, nrmse, seed, **more)
    reports = (
        replace(m, power_w=watts(config), energy_j=watts(config) * m.time_s) for m in record.measurements
    )
    return replace(record, measurements=tuple(reports))


def limited(*texts: str, **more):
    return problem(limits=tuple(Limit.parse(text) for text in texts), **more)


def rows(of, configs) -> np.ndarray:
    return np.array([of.candidates.index[config] for config in configs])


RUNS = [frugal(config) for config in dict.fromkeys([BASELINE, *SPREAD])]
UNSEEN = tuple(config for config in LATTICE if config not in {r.config for r in RUNS})


def test_the_objective_time_is_the_time_itself():
    found = predictions(problem(), RUNS)
    assert (found.objective == found.time_s).all()
    assert (found.objective_spread == found.time_spread).all()
    assert found.goal.seconds_per_unit == 1.0


def test_energy_of_what_never_ran_is_believed_from_the_powers_and_times_of_others():
    found = predictions(problem(objective=Objective.ENERGY), RUNS)
    true = np.array([NUM_EPOCHS * epoch_s(c) * watts(c) for c in UNSEEN])
    at = rows(found, UNSEEN)
    assert np.abs(np.log(found.objective[at] / true)).max() < 0.35
    assert (found.objective_spread[at] > 0).all()


def test_measured_energy_overrules_belief_and_is_worth_the_baselines_seconds():
    found = predictions(problem(objective=Objective.ENERGY), RUNS)
    at = rows(found, [BASELINE])[0]
    seconds = NUM_EPOCHS * epoch_s(BASELINE)
    assert found.objective[at] == pytest.approx(seconds * watts(BASELINE))
    assert found.objective_spread[at] == 0
    assert found.goal.seconds_per_unit == pytest.approx(1 / watts(BASELINE))


def test_the_time_to_the_target_is_a_learnt_share_of_the_time():
    """The curve falls by 5 % an epoch: .09 is under .095 after the last but one of 4 epochs."""
    of = problem(objective=Objective.TIME_TO_TARGET)
    found = predictions(of, RUNS)
    measured, unseen = rows(found, [BASELINE])[0], rows(found, UNSEEN)
    assert found.objective[measured] == pytest.approx(0.75 * found.time_s[measured])
    assert found.objective[unseen] == pytest.approx(0.75 * found.time_s[unseen], rel=0.05)
    assert (found.objective_spread[unseen] > found.time_spread[unseen]).all()


def test_the_time_to_the_target_is_never_believed_longer_than_the_training():
    found = predictions(problem(target="nrmse < 0.05", objective=Objective.TIME_TO_TARGET), RUNS)
    assert (found.objective <= found.time_s * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ("power_w <= 150", lambda c: watts(c) <= 150),
        ("power_w > 150", lambda c: watts(c) > 150),
        ("time_s <= 0.5 * baseline", lambda c: epoch_s(c) <= 0.5 * epoch_s(BASELINE)),
        (
            "energy_j < 0.9 * baseline",
            lambda c: epoch_s(c) * watts(c) < 0.9 * epoch_s(BASELINE) * watts(BASELINE),
        ),
    ],
)
def test_what_breaks_a_limit_is_known_where_measured_and_mostly_guessed_elsewhere(text, keeps):
    found = predictions(limited(text), RUNS)
    measured = [r.config for r in RUNS]
    assert (found.fits[rows(found, measured)] == [float(keeps(c)) for c in measured]).all()
    guessed = found.fits[rows(found, UNSEEN)] > 0.5
    assert np.mean(guessed == [keeps(c) for c in UNSEEN]) >= 0.75


def test_a_memory_limit_uses_the_memory_model_and_its_probes():
    runs = [frugal(c, memory_gib=1.0 + 0.5 * c.micro_batch * c.num_taus) for c in (BASELINE, *SPREAD)]
    found = predictions(limited("peak_memory_gib <= 4"), runs)
    small = np.array([1.0 + 0.5 * c.micro_batch * c.num_taus <= 4 for c in found.candidates.configs])
    assert (found.fits[small] > 0.4).all()
    assert (found.fits[~small] < 0.1).all()


def test_before_three_configurations_were_measured_a_limit_excludes_only_what_broke_it():
    found = predictions(limited("power_w > 150"), [frugal(BASELINE)])
    assert found.fits[rows(found, [BASELINE])[0]] == 0
    assert (np.delete(found.fits, rows(found, [BASELINE])) == 1).all()


def test_a_relative_limit_waits_for_the_baseline():
    others = [r for r in RUNS if r.config != BASELINE]
    found = predictions(limited("power_w <= 0.5 * baseline"), others)
    assert (found.fits[rows(found, UNSEEN)] == 1).all()
    assert (found.fits[rows(found, [r.config for r in others])] == 0).all()  # not known to keep it


def test_a_configuration_is_not_kept_when_its_objective_was_not_reported():
    found = predictions(problem(objective=Objective.ENERGY), [*RUNS, ran(FASTEST, 0.09)])
    is_silent = FASTEST not in {r.config for r in RUNS}
    assert found.goal.is_kept(BASELINE)
    assert found.goal.is_kept(FASTEST) is not is_silent
