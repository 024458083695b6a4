"""Seconds and memory of configurations nobody ran, from a few that somebody did."""

import math
from itertools import pairwise

import numpy as np
import pytest

from tests.search.cases import lattice
from tuner.core.config import TrialConfig
from tuner.core.workload import Workload
from tuner.search.models.coordinates import axes_of, coordinates
from tuner.search.models.memory import MemoryModel, extent_of
from tuner.search.models.time import TimeModel, Timing, work_of

LATTICE = lattice(max_batch=24, max_micro=24, max_taus=6)
CONFIGS = tuple(LATTICE)
AXES = axes_of(LATTICE, derived=["micro_rows", "num_micro_batches"])
POINTS = coordinates(CONFIGS, AXES)
ORDERED = np.array([axis.is_ordered for axis in AXES])
WORK = work_of(CONFIGS, 2000)

LAWS = {
    "guide": (0.36, 0.05, 0.006, 0.42),
    "launch_bound": (0.0, 1.8e-3, 8e-5, 3e-4),
    "row_bound": (0.0, 1e-4, 9e-5, 0.0),
    "batch_bound": (2.0, 0.01, 1e-4, 0.1),
}
"""Seconds a batch, a launch, a row and an optimizer step."""


def model_of(seconds, rows, error=0.0):
    timings = [Timing(int(row), float(seconds[row]), error) for row in rows]
    return TimeModel(POINTS, ORDERED, WORK, timings)


def spread_out(num, seed=0):
    """`num` configurations, each next one the farthest from those before."""
    rows = [int(np.random.default_rng(seed).integers(len(CONFIGS)))]
    while len(rows) < num:
        away = np.linalg.norm(POINTS[:, None] - POINTS[rows], axis=2).min(axis=1)
        rows.append(int(away.argmax()))
    return rows


def test_work_is_what_the_guide_counts():
    config = TrialConfig(batch_size=12, micro_batch=4, num_taus=4, accum_steps=2)
    load = Workload(config=config, num_samples=2000)
    assert work_of([config], 2000).tolist() == [
        [load.num_iterations, load.num_chunks, load.num_rows, load.num_optimizer_steps(1)]
    ]
    assert work_of([config], 2000).tolist() == [[167, 501, 8016, 84]]


def test_launches_and_their_axis_follow_the_rows_of_a_sample():
    """With 30 rows a sample, a batch of 6 is cut into 2 launches of 90 and one of 12 into 4."""
    configs = [TrialConfig(batch_size=b, micro_batch=90, num_taus=4) for b in (6, 12)]
    assert work_of(configs, 60, 30).tolist() == [[10, 20, 7200, 10], [5, 20, 7200, 5]]
    free = lattice(max_batch=12, max_micro=4, max_taus=4)
    axes = axes_of(free, derived=["num_micro_batches"], rows_per_sample=30)
    (axis,) = [axis for axis in axes if axis.name == "num_micro_batches"]
    assert (axis.low, axis.high) == (math.log(30 * 4 / 4), math.log(30 * 12))
    (place,) = coordinates([TrialConfig(batch_size=12, micro_batch=3, num_taus=4)], [axis])[0]
    assert place == pytest.approx(math.log(120 / 30) / math.log(360 / 30))


@pytest.mark.parametrize("law", LAWS)
def test_eight_timings_predict_every_configuration_of_the_law_within_ten_percent(law):
    truth = WORK @ np.array(LAWS[law])
    seconds = truth * np.exp(0.005 * np.random.default_rng(0).standard_normal(len(truth)))
    found, _ = model_of(seconds, spread_out(8)).predict()
    assert np.abs(found / truth - 1).max() < 0.10
    assert np.median(np.abs(found / truth - 1)) < 0.03


@pytest.mark.parametrize("law", LAWS)
def test_the_error_of_a_prediction_is_known(law):
    truth = WORK @ np.array(LAWS[law])
    scores = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        seconds = truth * np.exp(0.02 * rng.standard_normal(len(truth)))
        found, spread = model_of(seconds, rng.choice(len(truth), 8, replace=False)).predict()
        scores.append(np.log(truth / found) / spread)
    assert 0.2 < np.sqrt(np.mean(np.square(scores))) < 1.5


def test_where_the_law_does_not_hold_a_correction_is_learnt():
    """A data loader that lets no batch take less than a second, which no coefficient can express."""
    truth = WORK[:, 0] * np.maximum(1.0, (WORK @ np.array([0.0, 0.02, 0.01, 0.05])) / WORK[:, 0])
    rows = spread_out(40)
    others = np.setdiff1d(np.arange(len(CONFIGS)), rows)
    found, spread = model_of(truth, rows).predict()
    error = np.abs(np.log(found / truth))[others]
    assert np.median(error) < 0.05
    assert np.mean(error < 2 * spread[others]) > 0.9


def test_more_timings_leave_less_unknown():
    truth = WORK @ np.array(LAWS["guide"])
    spreads = [np.median(model_of(truth, spread_out(num)).predict()[1]) for num in (1, 3, 8, 20)]
    assert all(after < before for before, after in pairwise(spreads))


def test_a_single_timing_gives_the_scale_and_little_certainty():
    truth = WORK @ np.array(LAWS["guide"])
    row = len(CONFIGS) // 2
    found, spread = model_of(truth, [row]).predict()
    assert found[row] == pytest.approx(truth[row], rel=0.05)
    assert np.median(spread) > 0.1
    assert (found > 0).all()


def test_predictions_scale_with_the_unit_of_time():
    truth = WORK @ np.array(LAWS["guide"])
    rows = spread_out(8)
    in_s, spread_s = model_of(truth, rows).predict()
    in_ms, spread_ms = model_of(1000 * truth, rows).predict()
    assert in_ms == pytest.approx(1000 * in_s, rel=1e-6)
    assert spread_ms == pytest.approx(spread_s, rel=1e-6)


def test_no_work_is_ever_believed_to_save_time():
    """Coefficients are not negative: what does more of everything takes no less by the law."""
    truth = WORK @ np.array(LAWS["row_bound"])
    noisy = truth * np.exp(0.1 * np.random.default_rng(1).standard_normal(len(truth)))
    model = model_of(noisy, spread_out(6))
    assert (model._coefficients > 0).all()


def test_a_probes_error_makes_it_count_for_less_than_a_run():
    truth = WORK @ np.array(LAWS["guide"])
    rows = spread_out(8)
    seconds = truth.copy()
    seconds[rows[0]] *= 1.2  # one is wrong
    by_run = model_of(seconds, rows).predict()[1][rows]
    by_probe = model_of(seconds, rows, error=0.2).predict()[1][rows]
    assert (by_probe > by_run).all()


# Memory.


def gib(config):
    return 7.5 + 0.887 * config.micro_batch * config.num_taus + 0.02 * config.batch_size


EXTENTS = np.array([extent_of(config) for config in CONFIGS])
TRUE_GIB = np.array([gib(config) for config in CONFIGS])


def small(num):
    """Configurations with the least memory, and their peaks, as a study meets them first."""
    order = np.argsort(TRUE_GIB)[:: max(1, len(CONFIGS) // (4 * num + 1))][:num]
    return [(CONFIGS[row], float(TRUE_GIB[row])) for row in order]


def test_three_peaks_and_the_capacity_tell_what_fits():
    found = MemoryModel(small(4), [], 40.0).probability_of_fitting(EXTENTS)
    assert (found[TRUE_GIB < 37] > 0.9).all()
    assert (found[TRUE_GIB > 43] < 0.1).all()


def test_capacity_decides():
    peaks = small(4)
    little, much = (MemoryModel(peaks, [], c).probability_of_fitting(EXTENTS) for c in (24.0, 80.0))
    assert (little <= much).all()
    assert (little < 0.5).sum() > (much < 0.5).sum()


@pytest.mark.parametrize("num_peaks", [0, 2, 5])
@pytest.mark.parametrize("capacity", [None, 40.0])
@pytest.mark.parametrize("too_large", [[], [TrialConfig(batch_size=24, micro_batch=12, num_taus=4)]])
def test_what_holds_more_rows_never_fits_more_probably(num_peaks, capacity, too_large):
    found = MemoryModel(small(num_peaks), too_large, capacity).probability_of_fitting(EXTENTS)
    for batch in np.unique(EXTENTS[:, 1]):
        rows = np.flatnonzero(EXTENTS[:, 1] == batch)
        ordered = found[rows[np.argsort(EXTENTS[rows, 0], kind="stable")]]
        assert (np.diff(ordered) <= 1e-12).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_what_ran_out_of_memory_never_fits_nor_does_anything_larger():
    too_large = TrialConfig(batch_size=12, micro_batch=6, num_taus=5)
    for peaks in ([], small(5)):
        found = MemoryModel(peaks, [too_large], 1000.0).probability_of_fitting(EXTENTS)
        assert (found[EXTENTS[:, 0] >= 30] == 0).all()
        assert (found[EXTENTS[:, 0] <= 2] > 0.9).all()


def test_without_a_capacity_and_without_a_failure_everything_may_fit():
    assert (MemoryModel(small(5), [], None).probability_of_fitting(EXTENTS) == 1.0).all()


def test_between_what_fitted_and_what_did_not_doubt_grows():
    fitted = (TrialConfig(batch_size=4, micro_batch=2, num_taus=5), 1.0)
    failed = TrialConfig(batch_size=20, micro_batch=10, num_taus=5)
    asked = np.array([[10.0, 4.0], [20.0, 4.0], [40.0, 4.0], [50.0, 4.0]])
    found = MemoryModel([fitted], [failed], None).probability_of_fitting(asked)
    assert found.tolist() == pytest.approx([1.0, 0.75, 0.25, 0.0])


def test_peaks_that_say_nothing_of_rows_leave_the_capacity_unreached():
    """The peak on a CPU is that of the process: flat, so it rules nothing out."""
    peaks = [(config, 0.5) for config, _ in small(5)]
    assert (MemoryModel(peaks, [], 8.0).probability_of_fitting(EXTENTS) > 0.99).all()
