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


def test_time_and_nrmse_are_the_means_of_the_full_budget_runs():
    (estimate,) = estimates(
        [
            run(0, 0.090, 1.0),
            run(1, 0.096, 1.2),
            run(2, 0.093, 1.4),
            run(3, 0.01, 0.1, state=TrialState.STOPPED),
            run(4, 0.01, 0.1, resumed=True),
        ]
    ).values()
    assert estimate.time_s == pytest.approx(2.4)
    assert estimate.time_se_s == pytest.approx(0.4 / 3**0.5)
    assert estimate.nrmse == pytest.approx(0.093)
    assert estimate.nrmse_sd == pytest.approx(0.003)
    assert estimate.seeds == (0, 1, 2)


def test_one_run_has_no_spread():
    (estimate,) = estimates([run(0, 0.09)]).values()
    assert estimate.nrmse_sd is None
    assert estimate.time_se_s is None


def test_disturbed_runs_count_for_nrmse_and_not_for_time_unless_all_are():
    def disturbed(seed, epoch_time_s):
        record = run(seed, 0.096, epoch_time_s)
        return replace(record, measurements=tuple(replace(m, contended=True) for m in record.measurements))

    (mixed,) = estimates([run(0, 0.09, 1.0), disturbed(1, 9.0)]).values()
    assert (mixed.time_s, mixed.time_se_s, mixed.is_contended) == (2.0, None, False)
    assert mixed.nrmse == pytest.approx(0.093)
    (all_of_them,) = estimates([disturbed(0, 3.0), disturbed(1, 5.0)]).values()
    assert (all_of_them.time_s, all_of_them.is_contended) == (8.0, True)


def resumed(seed, nrmse, epoch_time_s=1.0, devices=("A100", "A100")):
    """A run whose second epoch came after a checkpoint."""
    record = run(seed, nrmse, epoch_time_s)
    reports = [
        replace(m, device=device, resumed=m.epoch > 1)
        for m, device in zip(record.measurements, devices, strict=True)
    ]
    return replace(record, measurements=tuple(reports))


def test_a_resumed_run_counts_for_nrmse_and_for_time_where_it_stayed_on_one_kind_of_card():
    elsewhere = ("A100", "H100")
    (same,) = estimates([run(0, 0.090, 1.0), resumed(1, 0.096, 2.0)]).values()
    assert (same.time_s, same.nrmse) == (pytest.approx(3.0), pytest.approx(0.093))
    (mixed,) = estimates([run(0, 0.090, 1.0), resumed(1, 0.096, 2.0, elsewhere)]).values()
    assert (mixed.time_s, mixed.nrmse) == (pytest.approx(2.0), pytest.approx(0.093))
    assert not mixed.is_resumed
    assert estimates([resumed(1, 0.096, 2.0, elsewhere)]) == {}, "no clock counts"


def test_an_estimate_rests_on_resumed_runs_where_no_other_clock_counts():
    (alone,) = estimates([resumed(1, 0.096)]).values()
    assert alone.is_resumed
    whole = run(0, 0.09)
    contended = replace(whole, measurements=tuple(replace(m, contended=True) for m in whole.measurements))
    (beside,) = estimates([contended, resumed(1, 0.096)]).values()
    assert beside.is_resumed, "the other one was disturbed"
    assert not next(iter(estimates([whole, resumed(1, 0.096)]).values())).is_resumed


def test_configurations_are_kept_apart():
    known = estimates([run(0, 0.09), make_record("0002", config=OTHER)])
    assert [e.config for e in known.values()] == [run(0, 0.09).config, OTHER]


def test_a_configuration_that_diverged_with_any_seed_has_no_estimate():
    assert estimates([run(0, 0.09), run(1, 0.09, state=TrialState.INFEASIBLE)]) == {}
