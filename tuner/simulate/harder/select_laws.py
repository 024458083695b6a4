"""Quality laws by which a version of a search is chosen; forms and functions are in no other set."""

from __future__ import annotations

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.harder.shapes import drawn_step, learning_rate_doublings, scales, unit_box
from tuner.simulate.hardware import Columns
from tuner.simulate.quality import QualityLaw, Rng


def exponentials(columns: Columns, rng: Rng) -> Floats:
    """Additive exponentials: of doublings of the effective batch, and of missing noise levels."""
    s = scales(columns)
    return (
        rng.uniform(0.004, 0.010) * np.exp(rng.uniform(0.4, 0.8) * s.le)
        + rng.uniform(0.02, 0.06) * np.exp(-rng.uniform(0.3, 0.8) * (s.taus - 2))
        + rng.uniform(-0.004, 0.008) * s.a
    )


def both_at_once(columns: Columns, rng: Rng) -> Floats:
    """Penalties only where two conditions meet: a large batch with few noise levels, or with accumulation."""
    s = scales(columns)
    large, larger = drawn_step(s.b, rng, 0.2, 0.6), drawn_step(s.b, rng, 0.3, 0.8)
    few = ~drawn_step(s.taus, rng, 0.2, 0.8)
    return (
        rng.uniform(0.02, 0.05) * (large & few)
        + rng.uniform(0.01, 0.04) * (larger & (s.accum > 1))
        + rng.uniform(0.002, 0.008) * s.b
        - rng.uniform(0.0, 0.003) * s.taus
    )


def monotone_tables(columns: Columns, rng: Rng) -> Floats:
    """Additive tables of uneven steps: each value of a parameter is worse than the one before."""
    s = scales(columns)
    law: Floats = np.zeros(len(s.b))
    for column, scale in ((s.batch, 0.008), (-s.taus, 0.006), (s.accum, 0.008)):
        values, codes = np.unique(column, return_inverse=True)
        law = law + np.cumsum(rng.exponential(scale, len(values)))[codes]
    return law


def oblique_wave(columns: Columns, rng: Rng) -> Floats:
    """One long wave across the space in a random direction; nothing physical."""
    s = scales(columns)
    along = unit_box(s.b, s.taus, s.a) @ rng.normal(0, 1, 3)
    law: Floats = rng.uniform(0.015, 0.03) * np.sin(rng.uniform(1.2, 2.5) * along + rng.uniform(0, 2 * np.pi))
    return law + rng.uniform(0.002, 0.008) * s.b


def many_chunks(columns: Columns, rng: Rng) -> Floats:
    """The law `exponentials`, and each doubling of micro-batches per batch costs, or helps, evenly."""
    s = scales(columns)
    per_doubling = rng.uniform(0.004, 0.010) * (1.0 if rng.uniform() < 0.7 else -1.0)
    return exponentials(columns, rng) + per_doubling * np.log2(s.batch / s.micro)


def tuned_tables(columns: Columns, rng: Rng) -> Floats:
    """The law `monotone_tables`, a V in the learning rate, and bf16 that costs more when accumulating."""
    s = scales(columns)
    best = rng.uniform(-0.6, 0.2) + rng.uniform(0.1, 0.4) * s.le
    vee = rng.uniform(0.008, 0.016) * np.abs(learning_rate_doublings(columns) - best)
    is_low = columns["precision"] == "bf16"
    law: Floats = monotone_tables(columns, rng) + vee + is_low * rng.uniform(0.001, 0.006) * s.accum
    return law


SELECT_LAWS: dict[str, QualityLaw] = {
    law.__name__: law
    for law in (exponentials, both_at_once, monotone_tables, oblique_wave, many_chunks, tuned_tables)
}
