"""Laws of the final NRMSE: what the parameters do to quality, each a small function with drawn coefficients.

A law says by what share of the baseline's NRMSE a point is worse than some reference (only differences
count). It depends on batch_size, num_taus, accum_steps and further parameters, never on micro_batch: the
stage's quality does not. Three sets that share no function: DEVELOPMENT laws may be looked at while a search
is being developed, HELD_OUT laws may not, and ALIEN laws (see `alien`) have nothing physical about them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.hardware import Columns, guide_columns

Rng = np.random.Generator
QualityLaw = Callable[[Columns, Rng], Floats]
"""A law: (columns, generator of coefficients) -> relative excess NRMSE of every point, shape (points,)."""


def _log_effective(columns: Columns) -> Floats:
    batch, _, _, accum = guide_columns(columns)
    return np.log2(batch * accum / 6)


def _log_batch(columns: Columns) -> Floats:
    return np.log2(guide_columns(columns)[0] / 6)


def _taus(columns: Columns) -> Floats:
    return guide_columns(columns)[2]


def calibrated(columns: Columns) -> Floats:
    """The bundled stage as docs/stage.md measured it; no coefficient is drawn. Belongs to none of the sets.

    Of the 17 ratios in that table it misses 0.3 % in the mean and 1.03 % at most, at (24, 24, 6, 2).
    """
    excess = np.maximum(_log_effective(columns), 0)
    law: Floats = -0.001 * excess + 0.005 * excess**2 + 0.04 / _taus(columns)
    return law


# Development ----------------------------------------------------------------------------------------------


def logarithmic(columns: Columns, rng: Rng) -> Floats:
    """The calibrated stage's law: logarithms of the effective batch, the reciprocal of num_taus."""
    excess = np.maximum(_log_effective(columns), 0)
    return (
        rng.uniform(0.004, 0.010) * excess
        + rng.uniform(0.002, 0.006) * excess**2
        + rng.uniform(0.03, 0.08) / _taus(columns)
    )


def polynomial(columns: Columns, rng: Rng) -> Floats:
    """Quadratic in batch_size, accum_steps and num_taus as such, with one product."""
    batch, _, taus, accum = guide_columns(columns)
    b, a, t = batch / 24, accum - 1, (7 - taus) / 5
    return (
        rng.uniform(0.01, 0.03) * b
        + rng.uniform(0.0, 0.01) * b**2
        + rng.uniform(0.005, 0.02) * a
        + rng.uniform(0.01, 0.04) * t**2
        + rng.uniform(0.0, 0.02) * b * t
    )


def plateau(columns: Columns, rng: Rng) -> Floats:
    """Flat up to a threshold of the effective batch and down to one of num_taus, steep beyond."""
    beyond = np.maximum(_log_effective(columns) - rng.uniform(1.0, 2.5), 0)
    below = np.maximum(rng.integers(3, 5) - _taus(columns), 0)
    return rng.uniform(0.03, 0.08) * beyond + rng.uniform(0.01, 0.03) * below


def best_in_the_middle(columns: Columns, rng: Rng) -> Floats:
    """Larger batches are better up to a point, then worse: the sign of the effect flips."""
    return (
        rng.uniform(0.010, 0.025) * (_log_effective(columns) - rng.uniform(0.8, 2.2)) ** 2
        + rng.uniform(0.005, 0.012) * (6 - _taus(columns)) / 2
    )


def learning_rate(columns: Columns, rng: Rng) -> Floats:
    """The law `logarithmic`, where `lr_scale` has an optimum that grows with the effective batch."""
    lr = np.log2(columns["lr_scale"].astype(np.float64))
    best = rng.uniform(0.2, 0.5) * _log_effective(columns) + rng.uniform(-0.8, 0.2)
    return logarithmic(columns, rng) + rng.uniform(0.006, 0.015) * (lr - best) ** 2


def quotient(columns: Columns, rng: Rng) -> Floats:
    """A law of samples per step over noise levels per sample: the parameters only act together."""
    ratio = guide_columns(columns)[0] * guide_columns(columns)[3] / (1 + _taus(columns))
    law: Floats = rng.uniform(0.015, 0.035) * np.log1p(ratio) ** rng.uniform(1.0, 2.0)
    return law


def staircase(columns: Columns, rng: Rng) -> Floats:
    """Steps of uneven height at three effective batches, and one at a number of noise levels."""
    log_effective, law = _log_effective(columns), 0.0 * _taus(columns)
    for _ in range(3):
        law = law + rng.uniform(0.002, 0.03) * (log_effective > rng.uniform(0.0, 3.5))
    return law + rng.uniform(0.005, 0.02) * (_taus(columns) < rng.integers(3, 6))


def category(columns: Columns, rng: Rng) -> Floats:
    """The law `staircase`, where one of three optimizers tolerates large batches better than the others."""
    law = staircase(columns, rng)
    for name in ("lion", "sgd"):
        is_it = columns["optimizer"] == name
        law = law + is_it * (rng.uniform(-0.01, 0.03) + rng.uniform(-0.006, 0.012) * _log_effective(columns))
    return law


# Held out -------------------------------------------------------------------------------------------------


def power(columns: Columns, rng: Rng) -> Floats:
    """A product of powers of the effective batch and of num_taus."""
    batch, _, taus, accum = guide_columns(columns)
    return (
        rng.uniform(0.010, 0.025)
        * (batch * accum / 6) ** rng.uniform(0.5, 0.9)
        * (5 / taus) ** rng.uniform(0.3, 0.9)
    )


def interaction(columns: Columns, rng: Rng) -> Floats:
    """A large batch is fine with many noise levels and bad with few."""
    need = rng.uniform(2.0, 3.5) + rng.uniform(0.5, 1.2) * np.maximum(_log_batch(columns), 0)
    lack = np.maximum(need - _taus(columns), 0)
    accum = np.log2(guide_columns(columns)[3])
    return rng.uniform(0.010, 0.025) * lack + rng.uniform(0.003, 0.012) * accum + 0.002 * _log_batch(columns)


def sigmoid(columns: Columns, rng: Rng) -> Floats:
    """A step in log batch and a separate one in accumulation; num_taus counts little."""
    b, a = _log_batch(columns), np.log2(guide_columns(columns)[3])
    step = 1 / (1 + np.exp(-rng.uniform(2, 5) * (b - rng.uniform(1.2, 2.4))))
    return (
        rng.uniform(0.03, 0.07) * step
        + rng.uniform(0.008, 0.02) * a
        + rng.uniform(0.01, 0.03) / _taus(columns)
    )


def larger_is_better(columns: Columns, rng: Rng) -> Floats:
    """Quality improves with batch_size, falls with accumulation, and wants noise levels."""
    a = np.log2(guide_columns(columns)[3])
    return (
        -rng.uniform(0.004, 0.012) * _log_batch(columns)
        + rng.uniform(0.01, 0.03) * a
        + rng.uniform(0.08, 0.20) / _taus(columns) ** rng.uniform(0.8, 1.5)
    )


def precision(columns: Columns, rng: Rng) -> Floats:
    """The law `sigmoid`, where bf16 costs a little, fp16 more, and more so with few noise levels."""
    is_bf16, is_fp16 = columns["precision"] == "bf16", columns["precision"] == "fp16"
    few = 3 / _taus(columns)
    loss = rng.uniform(0.002, 0.012) * is_bf16 + rng.uniform(0.015, 0.04) * is_fp16
    law: Floats = sigmoid(columns, rng) + loss * few
    return law


DEVELOPMENT_LAWS: dict[str, QualityLaw] = {
    law.__name__: law
    for law in (
        logarithmic,
        polynomial,
        plateau,
        best_in_the_middle,
        learning_rate,
        quotient,
        staircase,
        category,
    )
}
HELD_OUT_LAWS: dict[str, QualityLaw] = {
    law.__name__: law for law in (power, interaction, sigmoid, larger_is_better, precision)
}
