"""Every number of the guide, to the digit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.core.config import TrialConfig
from tuner.core.workload import Workload, change_pct, num_micro_batches

BASELINE = TrialConfig(batch_size=6, micro_batch=3, num_taus=5)
V2 = TrialConfig(batch_size=12, micro_batch=4, num_taus=4, accum_steps=2)
BEFORE = Workload(config=BASELINE, num_samples=2000)
AFTER = Workload(config=V2, num_samples=2000)


def test_the_guides_forward_passes_fall_from_3330_to_2004_by_40_percent():
    assert (BEFORE.num_iterations, BEFORE.num_chunks / 333) == (333, 2)
    assert (AFTER.num_iterations, AFTER.num_chunks / 167) == (167, 3)
    assert (BEFORE.num_forward_passes, AFTER.num_forward_passes) == (3330, 2004)
    assert round(change_pct(BEFORE.num_forward_passes, AFTER.num_forward_passes)) == -40


def test_the_arithmetic_falls_from_10000_to_8000_sample_evaluations_by_20_percent():
    assert (BEFORE.num_sample_evals, AFTER.num_sample_evals) == (10_000, 8_000)
    assert change_pct(BEFORE.num_sample_evals, AFTER.num_sample_evals) == -20


def test_whole_batches_really_execute_9990_and_8016_rows():
    assert (BEFORE.num_rows, AFTER.num_rows) == (9_990, 8_016)


def test_vectorised_launches_are_666_and_501():
    assert (BEFORE.num_chunks, AFTER.num_chunks) == (666, 501)


def test_the_guides_table_of_applied_optimizations():
    assert change_pct(BASELINE.batch_size, V2.batch_size) == 100
    assert round(change_pct(BASELINE.micro_batch, V2.micro_batch)) == 33
    assert change_pct(BASELINE.num_taus, V2.num_taus) == -20
    assert V2.effective_batch_size == 24


def test_memory_units_are_rows_in_memory_at_once():
    assert (BEFORE.memory_units, AFTER.memory_units) == (15, 16)


def test_accumulation_is_carried_over_an_epochs_end_and_flushed_once():
    """167 batches an epoch, two a step: 501 steps in six epochs, not 6 x 84."""
    assert AFTER.num_optimizer_steps(6) == 501
    assert AFTER.num_optimizer_steps(1) == 84
    assert BEFORE.num_optimizer_steps(6) == 1998


@pytest.mark.parametrize(("samples", "batch", "batches"), [(10, 4, 3), (9, 4, 2), (5, 10, 1)])
def test_half_a_batch_is_rounded_up(samples, batch, batches):
    config = TrialConfig(batch_size=batch, micro_batch=1, num_taus=1)
    assert Workload(config=config, num_samples=samples).num_iterations == batches


def test_less_than_half_a_batch_is_no_workload():
    with pytest.raises(ValueError, match="num_samples=2 are not half a batch of 6"):
        Workload(config=BASELINE, num_samples=2)


def test_chunks_are_cut_from_the_rows_that_the_stage_makes_of_a_batch():
    """Of 8 samples with 30 rows each, chunks of 90 rows are three, the last a smaller one."""
    config = TrialConfig(batch_size=8, micro_batch=90, num_taus=2)
    work = Workload(config=config, num_samples=80, rows_per_sample=30)
    assert (work.num_iterations, work.num_chunks, work.num_rows) == (10, 30, 10 * 240 * 2)
    assert [num_micro_batches(8, micro, 30) for micro in (1, 60, 120, 239, 240, 500)] == [240, 4, 2, 2, 1, 1]


def test_change_from_zero_has_no_percentage():
    with pytest.raises(ValueError, match="from zero"):
        change_pct(0, 1)


@given(
    micro=st.integers(1, 12),
    chunks=st.integers(1, 6),
    taus=st.integers(1, 7),
    accum=st.integers(1, 5),
    epochs=st.integers(1, 8),
    samples=st.integers(100, 5000),
)
def test_counts_agree_with_a_loop_that_does_the_work(micro, chunks, taus, accum, epochs, samples):
    config = TrialConfig(batch_size=micro * chunks, micro_batch=micro, num_taus=taus, accum_steps=accum)
    work = Workload(config=config, num_samples=samples)
    assert work.num_iterations == math.floor(samples / config.batch_size + 0.5)
    assert abs(work.num_rows - work.num_sample_evals) <= config.batch_size * taus / 2
    pending = steps = 0
    for _ in range(epochs * work.num_iterations):
        pending += 1
        if pending == accum:
            pending, steps = 0, steps + 1
    assert work.num_optimizer_steps(epochs) == steps + bool(pending)
    assert work.num_forward_passes * micro == work.num_rows
