"""Quality laws of another form, for reporting once: nothing physical; functions are in no other set."""

from __future__ import annotations

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.harder.shapes import learning_rate_doublings, scales, unit_box
from tuner.simulate.hardware import Columns
from tuner.simulate.quality import QualityLaw, Rng


def voronoi(columns: Columns, rng: Rng) -> Floats:
    """Every point has the value of the nearest of eleven random centres."""
    s = scales(columns)
    box = unit_box(s.b, s.taus, s.a)
    centres = rng.uniform(-1, 1, size=(11, 3))
    nearest = ((box[:, None, :] - centres) ** 2).sum(axis=2).argmin(axis=1)
    law: Floats = rng.normal(0, 0.025, 11)[nearest]
    return law + 0.003 * s.b


def common_divisors(columns: Columns, rng: Rng) -> Floats:
    """What counts are greatest common divisors: of batch_size with a number, and with num_taus."""
    s = scales(columns)
    number = int(rng.choice((12, 16, 18, 20, 24, 30)))
    batch, taus = s.batch.astype(np.int64), s.taus.astype(np.int64)
    law = rng.normal(0, 0.012) * np.log2(np.gcd(batch, number)) + rng.normal(0, 0.015) * np.gcd(batch, taus)
    return np.asarray(law + rng.normal(0, 0.01, 8)[taus] + rng.uniform(0.0, 0.012) * s.a)


def rings(columns: Columns, rng: Rng) -> Floats:
    """Waves round a random centre, in the distance from it."""
    s = scales(columns)
    offset = unit_box(s.b, s.taus, s.a) - rng.uniform(-1, 1, 3)
    distance = np.sqrt((offset**2 * rng.uniform(0.5, 1.5, 3)).sum(axis=1))
    wave = np.cos(rng.uniform(2.5, 5.0) * distance + rng.uniform(0, 2 * np.pi))
    law: Floats = rng.uniform(0.015, 0.03) * wave + rng.uniform(0.0, 0.008) * distance
    return law


def opposites(columns: Columns, rng: Rng) -> Floats:
    """Pure interaction: whether a parameter should be high depends on whether the others are."""
    s = scales(columns)
    high = np.tanh(unit_box(s.b, s.taus, s.a) / rng.uniform(0.2, 0.6) + rng.uniform(-0.6, 0.6, 3))
    pairs = high[:, 0] * high[:, 1], high[:, 0] * high[:, 2], high[:, 1] * high[:, 2]
    weights = rng.choice((-1, 1), 3) * rng.uniform(0.008, 0.025, 3)
    return np.asarray(sum(weight * pair for weight, pair in zip(weights, pairs, strict=True)))


def walks(columns: Columns, rng: Rng) -> Floats:
    """A random walk along batch_size for each number of noise levels, each near the one before."""
    s = scales(columns)
    sizes, at = np.unique(s.batch, return_inverse=True)
    levels, which = np.unique(s.taus, return_inverse=True)
    walk = rng.normal(0, 0.012, len(sizes)).cumsum()
    table = [walk := 0.7 * walk + rng.normal(0, 0.009, len(sizes)).cumsum() for _ in levels]
    law: Floats = np.array(table)[which, at] + rng.normal(0, 0.008) * s.a
    return law


def wells(columns: Columns, rng: Rng) -> Floats:
    """Evenly bad but for a few narrow wells, at points of the lattice itself."""
    s = scales(columns)
    box = unit_box(s.b, s.taus, s.a)
    centres = box[rng.choice(len(box), 7, replace=False)]
    squared = ((box[:, None, :] - centres) ** 2).sum(axis=2)
    depth = np.exp(-squared / (2 * rng.uniform(0.18, 0.3) ** 2)) * rng.uniform(0.02, 0.05, 7)
    law: Floats = -depth.max(axis=1)
    return law + 0.002 * s.b


def resonance(columns: Columns, rng: Rng) -> Floats:
    """The law `walks`, and micro_batch * num_taus matters by a wave in its logarithm."""
    s = scales(columns)
    wave = np.sin(rng.uniform(1.0, 2.0) * np.log2(s.micro * s.taus) + rng.uniform(0, 2 * np.pi))
    return walks(columns, rng) + rng.uniform(0.006, 0.014) * wave


def tuned_rings(columns: Columns, rng: Rng) -> Floats:
    """The law `rings`, with a random walk over learning rates, which bf16 follows in the other direction."""
    rates, at = np.unique(learning_rate_doublings(columns), return_inverse=True)
    walk = rng.normal(0, 0.035 / np.sqrt(len(rates)), len(rates)).cumsum()
    other = np.where(columns["precision"] == "bf16", walk[::-1][at], walk[at])
    return rings(columns, rng) + other


ALIEN_LAWS: dict[str, QualityLaw] = {
    law.__name__: law
    for law in (voronoi, common_divisors, rings, opposites, walks, wells, resonance, tuned_rings)
}
