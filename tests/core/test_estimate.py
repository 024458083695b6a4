"""Runs of one configuration, pooled."""

from dataclasses import replace

import pytest

from tests.studies import make_record
from tuner.core.config import TrialConfig
from tuner.core.estimate import estimates
from tuner.core.trial import TrialState

OTHER = TrialConfig(batch_size=12, micro_batch=12, num_taus=4)


def run(seed, nrmse, epoch_time_s=1.0, **more):
    record = make_record(f"{seed:04d}", curve=(0.2, nrmse), epoch_time_s=epoch_time_s, **more)
    return replace(record, seed=seed)


def test_time_is_the_shortest_and_nrmse_the_mean_of_the_full_budget_runs():
    (estimate,) = estimates(
        [
            run(0, 0.090, 1.0),
            run(1, 0.096, 9.0),
            run(2, 0.093, 1.1),
            run(3, 0.01, 0.1, state=TrialState.STOPPED),
            run(4, 0.01, 0.1, resumed=True),
        ]
    ).values()
    assert estimate.time_s == pytest.approx(2.0)
    assert estimate.nrmse == pytest.approx(0.093)
    assert estimate.nrmse_sd == pytest.approx(0.003)
    assert estimate.seeds == (0, 1, 2)


def test_one_run_has_no_spread():
    (estimate,) = estimates([run(0, 0.09)]).values()
    assert estimate.nrmse_sd is None


def test_configurations_are_kept_apart():
    known = estimates([run(0, 0.09), make_record("0002", config=OTHER)])
    assert [e.config for e in known.values()] == [run(0, 0.09).config, OTHER]


def test_a_configuration_that_diverged_with_any_seed_has_no_estimate():
    assert estimates([run(0, 0.09), run(1, 0.09, state=TrialState.INFEASIBLE)]) == {}
