"""Noise levels, learning rate and averages against their formulas."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.consistency import schedules as s
from trainables.consistency.params import DistillParams


def batches(num_samples: int, batch_size: int) -> int:
    return DistillParams(batch_size=batch_size, micro_batch=1, num_taus=1).batches_in_epoch(num_samples)


def test_sigma_ends_are_exact() -> None:
    """Sigma(0) = 0.02 and sigma(1) = 10, to the last bit of float32."""
    ends = s.sigma_of(torch.tensor([0.0, 1.0]))
    assert torch.equal(ends, torch.tensor([0.02, 10.0]))


def test_sigma_matches_karras_formula_in_the_middle() -> None:
    low, high = 0.02 ** (1 / 7), 10.0 ** (1 / 7)
    expected = (low + 0.4 * (high - low)) ** 7
    assert float(s.sigma_of(torch.tensor(0.4, dtype=torch.float64))) == pytest.approx(expected)


@given(st.integers(1, 12), st.integers(0, 1000))
def test_there_is_one_level_in_each_stratum(num_taus: int, seed: int) -> None:
    v = torch.rand(7, num_taus, generator=torch.Generator().manual_seed(seed))
    u = s.stratified_levels(v)
    assert torch.equal(
        (u * num_taus).floor().clamp(max=num_taus - 1).sort(-1).values[0],
        torch.arange(num_taus, dtype=torch.float32),
    )
    assert u.min() >= 0.0
    assert u.max() <= 1.0


@given(st.floats(0.0, 1.0))
def test_target_level_is_a_third_of_the_schedule_below(u: float) -> None:
    """H = 3; s0 stays below s1 and never leaves the schedule."""
    s1, s0 = s.sigma_pairs(torch.tensor(u, dtype=torch.float64))
    assert 0.02 - 1e-15 <= s0 < s1 <= 10.0 + 1e-12
    if u > 1.0 / 3.0:
        assert float(s0) == pytest.approx(float(s.sigma_of(torch.tensor(u - 1.0 / 3.0, dtype=torch.float64))))
    else:
        assert float(s0) == pytest.approx(0.02)


@pytest.mark.parametrize(("batch", "expected"), [(6, 333), (12, 167), (16, 125), (24, 83)])
def test_iterations_are_rounded_half_up(batch: int, expected: int) -> None:
    assert batches(2000, batch) == expected


def test_a_half_iteration_is_rounded_up_not_to_even() -> None:
    """2 / 4 = .5 gives 1 and 10 / 4 = 2.5 gives 3, where Python's round gives 0 and 2."""
    assert (batches(2, 4), batches(10, 4)) == (1, 3)


def test_learning_rate_is_linear_in_the_effective_batch() -> None:
    rates = [s.learning_rate(50, total_steps=100, effective_batch_size=e) for e in (6, 48)]
    assert rates == [pytest.approx(2.3e-3 * 0.5), pytest.approx(8 * 2.3e-3 * 0.5)]


def test_learning_rate_warms_up_over_20_steps_and_ends_near_zero() -> None:
    def rate(step: int) -> float:
        return s.learning_rate(step, total_steps=10_000, effective_batch_size=6)

    assert rate(0) == pytest.approx(2.3e-3 / 20)
    assert rate(9) == pytest.approx(2.3e-3 / 2, rel=1e-4)
    assert rate(19) == pytest.approx(2.3e-3, rel=1e-4)
    assert rate(9_999) < 1e-9


def test_evaluation_average_follows_its_rule() -> None:
    """min(.99, (1 + k) / (10 + k)): .1 at first, .99 from k = 890 on."""
    assert s.ema_decay(0, limit=0.99) == pytest.approx(0.1)
    assert s.ema_decay(90, limit=0.99) == pytest.approx(0.91)
    assert s.ema_decay(889, limit=0.99) < 0.99
    assert s.ema_decay(891, limit=0.99) == 0.99


@given(st.integers(1, 500), st.integers(1, 8))
def test_total_steps_cover_every_batch_once(num_batches: int, accum: int) -> None:
    total = s.total_optimizer_steps(num_batches, accum)
    assert (total - 1) * accum < num_batches <= total * accum
