"""Chooses which configurations are looked at: the whole lattice, or a fixed sample if it is large.

A function of the space, a seed and what was tried: asking twice gives the same candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Continuous

MAX_POINTS = 200_000
"""Most points of a lattice that is looked at whole."""

MIN_DRAWN, MAX_DRAWN = 1800, 10_000
"""Candidates drawn when something continuous varies: a point of the lattice each, within these bounds."""
NUM_LOCAL = 200
"""Further candidates near what was tried."""
LOCAL_SD = 0.1
"""Standard deviation of their distance, in units of the parameter's range."""


def drawn_configs(lattice: Lattice, seed: int, tried: Sequence[TrialConfig]) -> list[TrialConfig]:
    """The points of the lattice, at most `MAX_POINTS`.

    Continuous parameters are drawn anew whenever something more was tried, some of them near that.
    """
    if not lattice.continuous:
        return [lattice.config(row) for row in _rows(lattice, seed, MAX_POINTS)]
    rng = np.random.default_rng([seed, len(tried)])
    found = []
    num_free = min(max(MIN_DRAWN, len(lattice)), MAX_DRAWN)
    rows = _rows(lattice, int(rng.integers(2**31)), num_free)
    for row in np.resize(rows, num_free):
        drawn = {p.name: _scaled(p, float(rng.uniform())) for p in lattice.continuous}
        found.append(lattice.config(int(row), drawn))
    known = [config for config in tried if lattice.index(config) is not None]
    for k in range(NUM_LOCAL if known else 0):
        config = known[-1 - k % len(known)]
        row = lattice.index(config)
        assert row is not None  # only such values are known
        values = config.as_dict()
        near = {p.name: _near(p, float(values[p.name]), rng) for p in lattice.continuous}
        found.append(lattice.config(row, near))
    return found


def _rows(lattice: Lattice, seed: int, limit: int) -> list[int]:
    if len(lattice) <= limit:
        return list(range(len(lattice)))
    chosen = np.random.default_rng(seed).choice(len(lattice), limit, replace=False)
    return sorted(chosen.tolist())


def _scaled(parameter: Continuous, share: float) -> float:
    """The value at a share of the range, from 0 at low to 1 at high."""
    if parameter.log:
        value = parameter.low * math.exp(share * math.log(parameter.high / parameter.low))
    else:
        value = parameter.low + share * (parameter.high - parameter.low)
    return parameter.readable(value)


def _near(parameter: Continuous, value: float, rng: np.random.Generator) -> float:
    if parameter.log:
        share = math.log(value / parameter.low) / math.log(parameter.high / parameter.low)
    else:
        share = (value - parameter.low) / (parameter.high - parameter.low)
    return _scaled(parameter, float(np.clip(share + LOCAL_SD * rng.standard_normal(), 0.0, 1.0)))
