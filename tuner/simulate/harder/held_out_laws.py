"""Unseen quality laws of the usual form, for reporting once; forms and functions are in no other set."""

from __future__ import annotations

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.harder.shapes import drawn_step, learning_rate_doublings, scales
from tuner.simulate.hardware import Columns
from tuner.simulate.quality import QualityLaw, Rng


def scaling_sum(columns: Columns, rng: Rng) -> Floats:
    """A sum of powers, as scaling laws have it: of batch_size, noise levels and optimizer steps."""
    s = scales(columns)
    return (
        rng.uniform(0.004, 0.012) * (s.batch / 6) ** rng.uniform(0.6, 1.1)
        + rng.uniform(0.05, 0.15) * s.taus ** -rng.uniform(0.7, 1.6)
        + rng.uniform(0.002, 0.006) * (s.batch * s.accum / 6) ** rng.uniform(0.4, 0.8)
    )


def saturation(columns: Columns, rng: Rng) -> Floats:
    """Batch size harms up to a limit, noise levels help up to one, and the harm needs their lack."""
    s = scales(columns)
    harm = s.batch / (s.batch + rng.uniform(8, 40))
    lack = 1 - s.taus / (s.taus + rng.uniform(1, 4))
    both = rng.uniform(0.05, 0.20) * harm * lack
    return both + rng.uniform(0.03, 0.08) * harm + rng.uniform(0.03, 0.10) * lack + 0.006 * s.a


def critical_batch(columns: Columns, rng: Rng) -> Floats:
    """Nothing is lost below a critical effective batch, which grows with the noise levels."""
    s = scales(columns)
    critical = rng.uniform(5, 14) * (s.taus / 3) ** rng.uniform(0.4, 1.2)
    excess = np.sqrt(1 + (s.batch * s.accum / critical) ** 2) - 1
    return rng.uniform(0.006, 0.016) * excess + rng.uniform(0.01, 0.03) / s.taus


def diagonal_cliff(columns: Columns, rng: Rng) -> Floats:
    """A steep edge along a line through doublings of batch_size and num_taus, gentle slopes beside it."""
    s = scales(columns)
    beyond = s.b - rng.uniform(0.2, 0.5) * (s.taus - 4) - rng.uniform(0.8, 2.0)
    edge = rng.uniform(0.03, 0.07) / (1 + np.exp(-rng.uniform(5, 12) * beyond))
    return edge + rng.uniform(0.003, 0.010) * s.le - rng.uniform(0.0, 0.002) * s.taus


def uneven_steps(columns: Columns, rng: Rng) -> Floats:
    """Steps in batch_size whose height depends on accumulation, and one in noise levels."""
    s = scales(columns)
    law = rng.uniform(0.008, 0.025) * ~drawn_step(s.taus, rng, 0.2, 0.8)
    for _ in range(3):
        law = law + rng.uniform(0.004, 0.018) * drawn_step(s.batch, rng) * (1 + rng.uniform(0, 0.8) * s.a)
    return law + 0.002 * s.a


def best_batch(columns: Columns, rng: Rng) -> Floats:
    """A batch size is best, and what is off it costs the more, the fewer the noise levels."""
    s = scales(columns)
    off = np.abs(s.b - rng.uniform(0.4, 1.8)) ** 1.5
    return rng.uniform(0.02, 0.06) * off * s.taus ** -rng.uniform(0.3, 0.8) + rng.uniform(0.004, 0.014) * s.a


def chunk_statistics(columns: Columns, rng: Rng) -> Floats:
    """The law `critical_batch`, and statistics of a micro-batch matter, the more the noisier its rows."""
    s = scales(columns)
    sign = 1.0 if rng.uniform() < 0.6 else -1.0
    rows = s.micro * s.taus
    return critical_batch(columns, rng) + sign * rng.uniform(0.03, 0.07) * rows ** -rng.uniform(0.3, 0.5)


def tuned_saturation(columns: Columns, rng: Rng) -> Floats:
    """The law `saturation`; too high a learning rate costs more than too low a one; bf16 costs too."""
    s = scales(columns)
    off = learning_rate_doublings(columns) - rng.uniform(-0.3, 0.3) - 0.5 * rng.uniform(0.5, 1.0) * s.le
    high, low = rng.uniform(0.012, 0.025), rng.uniform(0.002, 0.006)
    is_low = columns["precision"] == "bf16"
    rate = np.where(off > 0, high * off**2, low * off**2)
    law: Floats = saturation(columns, rng) + rate + is_low * rng.uniform(0.001, 0.004) * np.maximum(s.b, 0)
    return law


HELD_OUT_LAWS: dict[str, QualityLaw] = {
    law.__name__: law
    for law in (
        scaling_sum,
        saturation,
        critical_batch,
        diagonal_cliff,
        uneven_steps,
        best_batch,
        chunk_statistics,
        tuned_saturation,
    )
}
