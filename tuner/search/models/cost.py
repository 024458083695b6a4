"""Seconds an epoch and peak memory of any configuration, from the few that were timed.

Time is a small law with non-negative coefficients, a t = sum of (batches, launches, rows, optimizer steps),
times a smooth correction where the law does not fit. Memory is affine in rows at once and in the batch; an
out-of-memory error bounds it from below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtr

from tuner.core.config import TrialConfig
from tuner.core.workload import Workload
from tuner.search.models.field import Field
from tuner.search.models.gaussian import Posterior, Runs
from tuner.search.models.inference import affordable, infer_settings
from tuner.search.models.kernel import Bools, Floats, Prior

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


class Timing(NamedTuple):
    """One figure of a candidate's speed.

    Attributes:
        row: Which candidate.
        epoch_time_s: Seconds of an epoch.
        error: Its relative standard error, beyond ordinary noise: a probe's is larger than a run's.
    """

    row: int
    epoch_time_s: float
    error: float = 0.0


class TimeModel:
    """Beliefs about seconds an epoch; a function of its arguments alone.

    Args:
        points: Coordinates of the candidates (M, A).
        is_ordered: By axis.
        work: See `work_of` (M, 4).
        timings: At least one.
    """

    def __init__(self, points: Floats, is_ordered: Bools, work: Floats, timings: Sequence[Timing]) -> None:
        rows = np.array([t.row for t in timings])
        seconds = np.array([t.epoch_time_s for t in timings])
        self._points, self._work = points, work / work[rows].mean(axis=0)
        self._coefficients, self._uncertainty = _fit_law(self._work[rows], seconds)
        runs = Runs.at(
            points[rows],
            np.log(seconds / (self._work[rows] @ self._coefficients)),
            error_variance=np.array([t.error for t in timings]) ** 2,
        )
        num_particles = affordable(NUM_PARTICLES, len(runs.points), len(points))
        self.settings = infer_settings(CORRECTION, runs, is_ordered, num_particles=num_particles)
        self.runs, self._is_ordered = runs, is_ordered

    def predict(self) -> tuple[Floats, Floats]:
        """Seconds an epoch, and the standard deviation of their logarithm, each (M,)."""
        mean, variance = Posterior(self.settings, self.runs, self._is_ordered).at(self._points)
        return _corrected(self._work, self._coefficients, self._uncertainty, mean, variance)


class GrowingTimeModel:
    """A `TimeModel` that keeps its settings and takes timings of further configurations one at a time.

    The law is fitted anew to all of them, and so is the mean of the correction.

    Args:
        points: See `TimeModel`.
        is_ordered: See `TimeModel`.
        work: See `TimeModel`.
        timings: From which settings are learnt, at least one.
    """

    def __init__(self, points: Floats, is_ordered: Bools, work: Floats, timings: Sequence[Timing]) -> None:
        model = TimeModel(points, is_ordered, work, timings)
        self._points, self._work = points, work
        self._field = Field(model.settings, model.runs, np.zeros(1, dtype=np.intp), is_ordered, points)

    def add(self, timing: Timing) -> None:
        """Takes a timing; what it says is handed to `predict`, as it may be corrected."""
        self._field.add(self._points[timing.row], 0, 0.0, timing.error**2)

    def predict(self, timings: Sequence[Timing]) -> tuple[Floats, Floats]:
        """As `TimeModel.predict`; the timings are those of before and those added."""
        rows = np.array([t.row for t in timings])
        seconds = np.array([t.epoch_time_s for t in timings])
        work = self._work / self._work[rows].mean(axis=0)
        coefficients, uncertainty = _fit_law(work[rows], seconds)
        residual = np.log(seconds / (work[rows] @ coefficients))
        error = np.array([t.error for t in timings])
        where = np.array([self._field.row(self._points[row]) for row in rows])
        precision = 1.0 / (self._field.settings.noise[:, None] ** 2 + error**2)
        pooled = np.array(
            [np.bincount(where, p * residual) / np.bincount(where, p) for p in precision], dtype=np.float64
        )
        mean = self._field.mean_given(pooled)
        return _corrected(work, coefficients, uncertainty, mean, self._field.variance)


def _corrected(
    work: Floats, coefficients: Floats, uncertainty: Floats, mean: Floats, variance: Floats
) -> tuple[Floats, Floats]:
    """Seconds an epoch and the standard deviation of their logarithm (M,): the law times its correction."""
    law: Floats = work @ coefficients
    of_law = np.einsum("mi,mi->m", work @ uncertainty, work) / law**2
    seconds: Floats = law * np.exp(mean.mean(axis=0))
    spread: Floats = np.sqrt(variance.mean(axis=0) + mean.var(axis=0) + of_law)
    return seconds, spread


def work_of(configs: Sequence[TrialConfig], num_samples: int) -> Floats:
    """Batches, launches, rows and optimizer steps of an epoch (configs, 4)."""
    rows = []
    for config in configs:
        load = Workload(config=config, num_samples=num_samples)
        rows.append((load.num_iterations, load.num_chunks, load.num_rows, load.num_optimizer_steps(1)))
    return np.array(rows, dtype=np.float64)


def _fit_law(work: Floats, seconds: Floats) -> tuple[Floats, Floats]:
    """Non-negative coefficients and their covariance, by relative least squares with a weak prior."""
    typical = float(np.median(seconds))
    error = 0.05  # of the law itself: the correction explains the rest
    design = np.vstack([work / seconds[:, None] / error, np.eye(work.shape[1]) / (SHARE_SD * typical)])
    wanted = np.concatenate([np.full(len(seconds), 1.0 / error), SHARES / SHARE_SD])
    coefficients, _ = nnls(design, wanted)
    covariance = np.asarray(np.linalg.inv(design.T @ design), dtype=np.float64)
    return np.maximum(np.asarray(coefficients, dtype=np.float64), 1e-9 * typical), covariance


def law_parts(work: Floats, timings: Sequence[Timing]) -> Floats:
    """Seconds an epoch that the law alone gives to batches, launches, rows and optimizer steps (M, 4).

    Args:
        work: See `work_of` (M, 4).
        timings: At least one.
    """
    rows = np.array([t.row for t in timings])
    scaled = work / work[rows].mean(axis=0)
    coefficients, _ = _fit_law(scaled[rows], np.array([t.epoch_time_s for t in timings]))
    found: Floats = scaled * coefficients
    return found


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
        """That what is so large (M, 2) does not run out of memory (M,)."""
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
    """What memory is affine in: rows at once, and the batch."""
    return float(config.micro_batch * config.num_taus), float(config.batch_size)
