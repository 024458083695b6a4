"""Bootstrap intervals, for every benchmark that gives one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NUM_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def as_list(self) -> list[float | None]:
        """Returns [value, low, high] for JSON, with None for infinity, which JSON does not have."""
        return [round(v, 4) if np.isfinite(v) else None for v in (self.value, self.low, self.high)]


def bootstrap(value: float, resampled: Callable[[np.random.Generator], float], seed: int = 0) -> Interval:
    """Returns a figure with its 95 % interval, by percentiles.

    Args:
        value: The figure of all data.
        resampled: Draws data with replacement, and returns their figure; it may be infinite.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    drawn = [resampled(rng) for _ in range(NUM_RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")  # nothing lies between 1 and infinity
    return Interval(value, float(low), float(high))
