"""Predicts the seconds an epoch of any configuration, from the few that were timed.

A small law with non-negative coefficients, a t = sum of (batches, launches, rows, optimizer steps), times a
smooth correction where the law does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from foundation.arrays import Bools, Floats
from tuner.core.config import TrialConfig
from tuner.core.workload import Workload
from tuner.search.models.gp import Posterior, Runs
from tuner.search.models.gp_hyperparameters import affordable, infer_settings
from tuner.search.models.gp_incremental import Field
from tuner.search.models.gp_kernel import Points, Prior, coded

CORRECTION = Prior(
    amplitude=(0.04, 0.8),
    length=(0.6, 0.6),
    interaction=(0.03, 0.8),
    noise=(0.012, 0.5),
    own=(0.02, 1.0),
    level=0.1,
)
"""Prior of the logarithm of measured over predicted seconds."""

SHARES = np.array([0.05, 0.35, 0.55, 0.05])
"""Prior of what batches, launches, rows and optimizer steps are of a typical epoch; weak, see SHARE_SD."""
SHARE_SD = 0.4

NUM_PARTICLES = 6


class Timing(NamedTuple):
    """One figure of a candidate's speed.

    Attributes:
        row: Index of the candidate.
        epoch_time_s: Seconds of an epoch.
        error: Relative standard error beyond ordinary noise: a probe's is larger than a run's.
    """

    row: int
    epoch_time_s: float
    error: float = 0.0


class TimeModel:
    """Predictions about seconds an epoch; a function of its arguments alone.

    Args:
        points: Coordinates of the candidates (M, A).
        is_ordered: Whether each axis is ordered.
        work: Work of each candidate; see `work_of` (M, 4).
        timings: At least one timing.
    """

    def __init__(self, points: Points, is_ordered: Bools, work: Floats, timings: Sequence[Timing]) -> None:
        rows = np.array([t.row for t in timings])
        seconds = np.array([t.epoch_time_s for t in timings])
        self._points = coded(points)
        self._work = work / work[rows].mean(axis=0)
        self._coefficients, self._uncertainty = _fit_law(self._work[rows], seconds)
        runs = Runs.at(
            self._points.points[rows],
            np.log(seconds / (self._work[rows] @ self._coefficients)),
            error_variance=np.array([t.error for t in timings]) ** 2,
        )
        num_particles = affordable(NUM_PARTICLES, len(runs.points), len(points))
        self.settings = infer_settings(CORRECTION, runs, is_ordered, num_particles=num_particles)
        self.runs, self._is_ordered = runs, is_ordered

    def predict(self) -> tuple[Floats, Floats]:
        """Predicts the seconds an epoch, and the standard deviation of their logarithm, each (M,)."""
        mean, variance = Posterior(self.settings, self.runs, self._is_ordered).at(self._points)
        return _corrected(self._work, self._coefficients, self._uncertainty, mean, variance)


class GrowingTimeModel:
    """A `TimeModel` that keeps its settings and takes timings of further configurations one at a time.

    The law is fitted anew to all of them, and so is the mean of the correction.

    Args:
        points: Points of the candidates; see `TimeModel`.
        is_ordered: Whether each axis is ordered; see `TimeModel`.
        work: Work of each candidate; see `TimeModel`.
        timings: Timings from which settings are learned, at least one.
    """

    def __init__(self, points: Points, is_ordered: Bools, work: Floats, timings: Sequence[Timing]) -> None:
        model = TimeModel(points, is_ordered, work, timings)
        self._points, self._work = coded(points).points, work
        self._field = Field(model.settings, model.runs, np.zeros(1, dtype=np.intp), is_ordered, points)

    def add(self, timing: Timing) -> None:
        """Takes a timing; what it says is handed to `predict`, as it may be corrected."""
        self._field.add(self._points[timing.row], 0, 0.0, timing.error**2)

    def predict(self, timings: Sequence[Timing]) -> tuple[Floats, Floats]:
        """Predicts as `TimeModel.predict` does, from the timings of before and those added."""
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
    """Predicts seconds an epoch and the deviation of their logarithm (M,): law times correction."""
    law: Floats = work @ coefficients
    of_law = np.einsum("mi,mi->m", work @ uncertainty, work) / law**2
    seconds: Floats = law * np.exp(mean.mean(axis=0))
    spread: Floats = np.sqrt(variance.mean(axis=0) + mean.var(axis=0) + of_law)
    return seconds, spread


def work_of(configs: Sequence[TrialConfig], num_samples: int, rows_per_sample: int = 1) -> Floats:
    """Batches, launches, rows and optimizer steps of an epoch (configs, 4)."""
    rows = []
    for config in configs:
        load = Workload(config=config, num_samples=num_samples, rows_per_sample=rows_per_sample)
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
    """Returns the seconds an epoch that the law gives to batches, launches, rows and steps (M, 4).

    Args:
        work: Work of each candidate; see `work_of` (M, 4).
        timings: At least one timing.
    """
    rows = np.array([t.row for t in timings])
    scaled = work / work[rows].mean(axis=0)
    coefficients, _ = _fit_law(scaled[rows], np.array([t.epoch_time_s for t in timings]))
    found: Floats = scaled * coefficients
    return found
