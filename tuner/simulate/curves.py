"""Defines how NRMSE falls over the epochs towards its final value, in several shapes.

A curve is a factor on the final NRMSE for every point and epoch, 1 at the last: a part all points share, and
a part that goes with their effect on quality or their effective batch. Beside it every point has a private
part that no feature explains and that shrinks from epoch to epoch, so that ranks settle as docs/stage.md
measured.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.hardware import Columns, guide_columns
from tuner.simulate.quality import Rng

Curve = Callable[[Columns, Floats, int, Rng], Floats]
"""A shape: (columns, excess NRMSE, epochs, generator) -> factors, shape (points, epochs)."""

PRIVATE_PCT = (3.0, 1.0, 0.8, 0.6, 0.4)
"""Standard deviation of a point's private part after epochs 1 to 5 of 6, percent."""


def settling(num_epochs: int) -> Floats:
    """Stretches `PRIVATE_PCT`, as shares, to any number of epochs, 0 at the last, shape (epochs,)."""
    at = np.arange(1, num_epochs + 1) / num_epochs
    return np.interp(at, np.arange(1, 7) / 6, np.array([*PRIVATE_PCT, 0.0]) / 100)


def regular(columns: Columns, excess: Floats, num_epochs: int, rng: Rng) -> Floats:
    """Exponential decay, slower for larger effective batches."""
    log_effective = _centred_log_effective(columns)
    rate = rng.uniform(1.2, 2.2) * np.exp(-rng.uniform(0.0, 0.04) * log_effective)
    decay = np.exp(-np.arange(1, num_epochs + 1) / rate[:, None])
    factors: Floats = 1 + rng.uniform(0.5, 1.0) * (decay - decay[:, -1:])
    return factors


def crossing(columns: Columns, excess: Floats, num_epochs: int, rng: Rng) -> Floats:
    """Large effective batches dip early and lose later, so that curves cross."""
    left = 1 - np.arange(1, num_epochs + 1) / num_epochs
    dip = rng.uniform(0.02, 0.05) * _centred_log_effective(columns)[:, None] * left
    factors: Floats = regular(columns, excess, num_epochs, rng) - dip
    return factors


def misleading(columns: Columns, excess: Floats, num_epochs: int, rng: Rng) -> Floats:
    """A curve in whose first half what ends worse looks better."""
    left = np.maximum(1 - np.arange(1, num_epochs + 1) / (0.6 * num_epochs), 0)
    against = rng.uniform(1.5, 2.5) * (excess - excess.mean())[:, None] * left
    factors: Floats = regular(columns, excess, num_epochs, rng) - against
    return factors


def _centred_log_effective(columns: Columns) -> Floats:
    batch, _, _, accum = guide_columns(columns)
    log_effective = np.log2(batch * accum)
    centred: Floats = log_effective - log_effective.mean()
    return centred


CURVES: dict[str, Curve] = {curve.__name__: curve for curve in (regular, crossing, misleading)}
