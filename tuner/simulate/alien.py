"""Quality laws that share nothing with physical features: tables of random numbers, waves, parity, residues.

They are functions of (batch_size, num_taus, accum_steps) all the same, and so smooth or so additive that
something can be learned of them, but nothing of logarithms or reciprocals.
"""

from __future__ import annotations

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.hardware import Columns, guide_columns
from tuner.simulate.quality import QualityLaw, Rng


def _codes(column: Floats) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], int]:
    values, codes = np.unique(column, return_inverse=True)
    return codes, len(values)


def _table(column: Floats, rng: Rng, scale: float) -> Floats:
    codes, size = _codes(column)
    drawn: Floats = rng.normal(0, scale, size)[codes]
    return drawn


def lookup(columns: Columns, rng: Rng) -> Floats:
    """A random number for each value, and a smaller one for each pair of batch_size and num_taus."""
    batch, _, taus, accum = guide_columns(columns)
    return (
        _table(batch, rng, 0.025)
        + _table(taus, rng, 0.020)
        + _table(accum, rng, 0.015)
        + _table(batch * 100 + taus, rng, 0.008)
    )


def waves(columns: Columns, rng: Rng) -> Floats:
    """Sinusoids in log batch_size and in num_taus."""
    batch, _, taus, accum = guide_columns(columns)
    phase = rng.uniform(0, 2 * np.pi, 3)
    law: Floats = (
        0.025 * np.sin(rng.uniform(1.5, 3.0) * np.log2(batch) + phase[0])
        + 0.020 * np.sin(rng.uniform(0.9, 2.0) * taus + phase[1])
        + 0.012 * np.sin(rng.uniform(1.0, 2.5) * accum + phase[2])
    )
    return law


def parity(columns: Columns, rng: Rng) -> Floats:
    """An NRMSE law in which it counts whether numbers are even, and whether three divides them."""
    batch, _, taus, accum = guide_columns(columns)
    thirds, odd, few = (
        np.where(is_so, *rng.normal(0, 0.03, 2)) for is_so in (batch % 3 == 0, taus % 2 == 1, accum > 1)
    )
    return thirds + odd + few + np.where((batch % 8 == 0) & (taus % 3 == 0), rng.normal(0, 0.02), 0.0)


def residues(columns: Columns, rng: Rng) -> Floats:
    """Distances round a circle of batch_size * num_taus and of batches in an epoch."""
    batch, _, taus, accum = guide_columns(columns)
    modulus, shift = rng.integers(25, 60), rng.uniform(0, 60)
    turn = ((batch * taus + shift) % modulus) / modulus
    return 0.05 * np.abs(turn - 0.5) + _table(taus, rng, 0.015) + _table(accum, rng, 0.01)


def ridge(columns: Columns, rng: Rng) -> Floats:
    """Good along a random line through batch_size and num_taus, bad beside it, worse the farther."""
    batch, _, taus, accum = guide_columns(columns)
    b, t = (batch - 6) / 30, (taus - 2) / 4
    offset = b * rng.choice([-1, 1]) + rng.uniform(0.4, 1.5) * (t - rng.uniform(0.2, 0.8))
    law: Floats = rng.uniform(0.03, 0.07) * np.abs(offset) + rng.uniform(-0.015, 0.015) * np.log2(accum)
    return law


ALIEN_LAWS: dict[str, QualityLaw] = {law.__name__: law for law in (lookup, waves, parity, residues, ridge)}
