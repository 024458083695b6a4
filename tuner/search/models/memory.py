"""Peak memory of any configuration, and whether it fits, from the few that were measured.

Affine in rows at once and in the batch; an out-of-memory error bounds it from below.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtr

from foundation.arrays import Floats
from tuner.core.config import TrialConfig


class MemoryModel:
    """Predicts which configurations fit into memory.

    Args:
        peaks: Peak GiB of configurations that ran or were probed.
        too_large: Configurations that ran out of memory.
        capacity_gib: Memory of the device in GiB; None if unknown.
    """

    def __init__(
        self,
        peaks: Sequence[tuple[TrialConfig, float]],
        too_large: Sequence[TrialConfig],
        capacity_gib: float | None,
    ) -> None:
        self._too_large = np.array([extent_of(config) for config in too_large]).reshape(-1, 2)
        self._fitting = np.array([extent_of(config) for config, _ in peaks]).reshape(-1, 2)
        self._capacity = capacity_gib
        self._weights: Floats | None = None
        if len(peaks) >= 3:
            design = np.column_stack([np.ones(len(peaks)), self._fitting])
            gib = np.array([peak for _, peak in peaks])
            self._weights, _ = nnls(design, gib)
            residual = gib - design @ self._weights
            self._sd = float(np.sqrt((residual**2).mean() + (0.02 * gib.max()) ** 2))

    def predict(self, extents: Floats) -> tuple[Floats, float] | None:
        """Peak GiB of what is so large (M, 2), and its standard deviation; None before three are known."""
        if self._weights is None:
            return None
        return np.column_stack([np.ones(len(extents)), extents]) @ self._weights, self._sd

    def probability_of_fitting(self, extents: Floats) -> Floats:
        """Returns the probability that sizes (M, 2) do not run out of memory (M,)."""
        if self._weights is not None and self._capacity is not None:
            gib = np.column_stack([np.ones(len(extents)), extents]) @ self._weights
            found = ndtr((self._capacity - gib) / self._sd)
        else:
            found = np.ones(len(extents))
        if len(self._too_large):
            smallest = self._too_large[:, 0].min()
            found = np.where(extents[:, 0] >= smallest, 0.0, found)
            largest = self._fitting[:, 0].max(initial=0.0)
            between = (extents[:, 0] > largest) & (extents[:, 0] < smallest)
            unknown = 1.0 - (extents[:, 0] - largest) / max(smallest - largest, 1e-9)
            found = np.where(between, np.minimum(found, unknown), found)
        return np.asarray(found, dtype=np.float64)


def extent_of(config: TrialConfig) -> tuple[float, float]:
    """Returns the figures in which memory is affine: rows at once, and the batch."""
    return float(config.micro_batch * config.num_taus), float(config.batch_size)
