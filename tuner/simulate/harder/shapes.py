"""What the harder laws are written in: a study's four parameters on even scales, and steps at drawn places.

These are no laws: every set of laws uses them, and draws its own coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.arrays import Bools, Floats
from tuner.simulate.hardware import Columns, guide_columns
from tuner.simulate.quality import Rng


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """The parameters of every point, each of shape (points,).

    Attributes:
        batch, micro, taus, accum: The values themselves.
        b, m, a: Doublings of batch_size over 6, of micro_batch and of accum_steps.
        le: Doublings of the effective batch over 6.
    """

    batch: Floats
    micro: Floats
    taus: Floats
    accum: Floats
    b: Floats
    m: Floats
    a: Floats
    le: Floats


def scales(columns: Columns) -> Scales:
    """Returns the parameters of every point on even scales."""
    batch, micro, taus, accum = guide_columns(columns)
    b, a = np.log2(batch / 6), np.log2(accum)
    return Scales(
        batch=batch, micro=micro, taus=taus, accum=accum, b=b, m=np.log2(micro), a=a, le=np.asarray(b + a)
    )


def unit_box(*columns: Floats) -> Floats:
    """Moves each column to [-1, 1], and one without extent to 0; shape (points, columns)."""
    stacked = np.stack(columns, axis=1)
    low, high = stacked.min(axis=0), stacked.max(axis=0)
    box: Floats = 2 * (stacked - low) / np.where(high > low, high - low, 1.0) - 1
    return np.where(high > low, box, 0.0)


def drawn_step(column: Floats, rng: Rng, low: float = 0.2, high: float = 0.9) -> Bools:
    """Whether a point is beyond a drawn value of a column, which some have and some have not."""
    values = np.unique(column)
    at = int(rng.integers(int(low * len(values)), max(int(high * len(values)), 1)))
    beyond: Bools = column > values[min(at, max(len(values) - 2, 0))]
    return beyond


def learning_rate_doublings(columns: Columns) -> Floats:
    """Doublings of the learning rate over the baseline's, shape (points,)."""
    return np.log2(columns["lr_scale"].astype(np.float64))
