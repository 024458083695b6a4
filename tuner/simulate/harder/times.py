"""Laws of time that the hardware's law does not have: cliffs, as factors on the seconds of every point."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.harder.shapes import drawn_step, scales
from tuner.simulate.hardware import Columns
from tuner.simulate.quality import Rng

TimeFactor = Callable[[Columns, Rng], Floats]
"""A law: (columns, generator of coefficients) -> factor on the time of every point, shape (points,)."""


def cliffs(columns: Columns, rng: Rng) -> Floats:
    """Slower beyond a number of rows in a micro-batch, and where four does not divide it."""
    s = scales(columns)
    beyond = s.micro * s.taus > rng.uniform(16, 48)
    law: Floats = np.where(beyond, rng.uniform(1.2, 1.5), 1.0)
    return law * np.where(s.micro % 4 != 0, rng.uniform(1.05, 1.2), 1.0)


def detours(columns: Columns, rng: Rng) -> Floats:
    """Slower for odd micro-batches, and faster beyond a batch size."""
    s = scales(columns)
    law: Floats = np.where(s.micro % 2 == 1, rng.uniform(1.08, 1.25), 1.0)
    return law * np.where(drawn_step(s.batch, rng), rng.uniform(0.75, 0.9), 1.0)


def padded(columns: Columns, rng: Rng) -> Floats:
    """Micro-batches are padded to a power of two, in part; beyond a batch size the loader stalls."""
    s = scales(columns)
    law: Floats = (2 ** np.ceil(s.m) / s.micro) ** rng.uniform(0.3, 0.7)
    return law * np.where(drawn_step(s.batch, rng, 0.5, 0.9), rng.uniform(1.15, 1.4), 1.0)


DEVELOP_TIMES: dict[str, TimeFactor] = {"cliffs": cliffs}
SELECT_TIMES: dict[str, TimeFactor] = {"detours": detours}
REPORT_TIMES: dict[str, TimeFactor] = {"padded": padded}
TIMES = DEVELOP_TIMES | SELECT_TIMES | REPORT_TIMES
