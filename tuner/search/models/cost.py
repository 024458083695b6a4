"""Seconds an epoch and peak memory of any configuration, from the few that were timed.

Time is a small law with non-negative coefficients, a t = sum of (batches, launches, rows, optimizer steps),
times a smooth correction where the law does not fit. Memory is affine in rows at once and in the batch; an
out-of-memory error bounds it from below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtr

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.workload import Workload
from tuner.search.models.coordinates import Axis, axes_of, coordinates
from tuner.search.models.gaussian import Floats, Posterior, Prior, Runs
from tuner.search.models.inference import infer_settings

CORRECTION = Prior(
    amplitude=(0.04, 0.8),
    length=(0.6, 0.6),
    interaction=(0.03, 0.8),
    noise=(0.012, 0.5),
    level=0.1,
)
"""Of the logarithm of measured over predicted seconds."""

SHARES = np.array([0.05, 0.35, 0.55, 0.05])
"""Prior of what batches, launches, rows and optimizer steps are of a typical epoch; weak, see SHARE_SD."""
SHARE_SD = 0.4

NUM_PARTICLES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One figure of a configuration's speed.

    Attributes:
        epoch_time_s: Seconds of an epoch.
        error: Its relative standard error, beyond ordinary noise: a probe's is larger than a run's.
    """

    config: TrialConfig
    epoch_time_s: float
    error: float = 0.0


class TimeModel:
    """Beliefs about seconds an epoch; a function of its arguments alone.

    Args:
        lattice: The space.
        num_samples: Of an epoch.
        timings: At least one.
    """

    def __init__(self, lattice: Lattice, num_samples: int, timings: Sequence[Timing]) -> None:
        self._num_samples = num_samples
        self._axes = time_axes(lattice)
        seconds = np.array([t.epoch_time_s for t in timings])
        work = self._work([t.config for t in timings])
        self._scale = work.mean(axis=0)
        self._coefficients, self._uncertainty = _fit_law(work / self._scale, seconds)
        law = self._law_s([t.config for t in timings])
        points, point = np.unique(
            coordinates([t.config for t in timings], self._axes), axis=0, return_inverse=True
        )
        runs = Runs(
            points=points,
            point=point.reshape(-1),
            seed=np.zeros(len(timings), dtype=np.intp),
            value=np.log(seconds / law),
            error_variance=np.array([t.error for t in timings]) ** 2,
        )
        ordered = np.array([axis.is_ordered for axis in self._axes], dtype=np.bool_)
        settings = infer_settings(CORRECTION, runs, ordered, num_particles=NUM_PARTICLES)
        self._posterior = Posterior(settings, runs, ordered)

    def predict(self, configs: Sequence[TrialConfig]) -> tuple[Floats, Floats]:
        """Seconds an epoch, and the standard deviation of their logarithm, each (configs,)."""
        mean, variance = self._posterior.at(coordinates(configs, self._axes))
        log_mean = mean.mean(axis=0)
        work = self._work(configs) / self._scale
        law: Floats = work @ self._coefficients
        of_law = np.einsum("mi,ij,mj->m", work, self._uncertainty, work) / law**2
        spread = variance.mean(axis=0) + mean.var(axis=0) + of_law
        seconds: Floats = law * np.exp(log_mean)
        return seconds, np.asarray(np.sqrt(spread), dtype=np.float64)

    def _work(self, configs: Sequence[TrialConfig]) -> Floats:
        """Batches, launches, rows, optimizer steps of an epoch (configs, 4)."""
        rows = []
        for config in configs:
            load = Workload(config=config, num_samples=self._num_samples)
            rows.append((load.num_iterations, load.num_chunks, load.num_rows, load.num_optimizer_steps(1)))
        return np.array(rows, dtype=np.float64)

    def _law_s(self, configs: Sequence[TrialConfig]) -> Floats:
        found: Floats = (self._work(configs) / self._scale) @ self._coefficients
        return found


def time_axes(lattice: Lattice) -> tuple[Axis, ...]:
    """What the correction of the time law may depend on."""
    return axes_of(lattice, derived=["micro_rows", "num_micro_batches"])


def _fit_law(work: Floats, seconds: Floats) -> tuple[Floats, Floats]:
    """Non-negative coefficients and their covariance, by relative least squares with a weak prior."""
    typical = float(np.median(seconds))
    error = 0.05  # of the law itself: the correction explains the rest
    design = np.vstack([work / seconds[:, None] / error, np.eye(work.shape[1]) / (SHARE_SD * typical)])
    wanted = np.concatenate([np.full(len(seconds), 1.0 / error), SHARES / SHARE_SD])
    coefficients, _ = nnls(design, wanted)
    return np.maximum(coefficients, 1e-9 * typical), np.linalg.inv(design.T @ design)


class MemoryModel:
    """Beliefs about what fits.

    Args:
        peaks: Peak GiB of configurations that ran or were probed.
        too_large: Configurations that ran out of memory.
        capacity_gib: Of the device; None when unknown.
    """

    def __init__(
        self,
        peaks: Sequence[tuple[TrialConfig, float]],
        too_large: Sequence[TrialConfig],
        capacity_gib: float | None,
    ) -> None:
        self._too_large = np.array([_extent(config) for config in too_large]).reshape(-1, 2)
        self._fitting = np.array([_extent(config) for config, _ in peaks]).reshape(-1, 2)
        self._capacity = capacity_gib
        self._weights: Floats | None = None
        if len(peaks) >= 3 and capacity_gib is not None:
            design = np.column_stack([np.ones(len(peaks)), self._fitting])
            gib = np.array([peak for _, peak in peaks])
            self._weights, _ = nnls(design, gib)
            residual = gib - design @ self._weights
            self._sd = float(np.sqrt((residual**2).mean() + (0.02 * gib.max()) ** 2))

    def probability_of_fitting(self, configs: Sequence[TrialConfig]) -> Floats:
        """That a configuration does not run out of memory (configs,)."""
        extents = np.array([_extent(config) for config in configs]).reshape(-1, 2)
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


def _extent(config: TrialConfig) -> tuple[float, float]:
    """What memory is affine in: rows at once, and the batch."""
    return float(config.micro_batch * config.num_taus), float(config.batch_size)
