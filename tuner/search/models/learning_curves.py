"""Predicts the end of a partial learning curve, as far as finished curves have taught it.

For each epoch, the logarithm of final NRMSE over NRMSE then is a linear function of the configuration's
coordinates, plus an error whose size is learned too: where early epochs mislead, the error is large and
they count for little. Two configurations whose curves cross are told apart by the slopes.

Reference: Gelman et al., "Bayesian Data Analysis" (2013), section 14.2 (conjugate linear regression).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.arrays import Floats

MIN_CURVES = 3
"""Finished curves before a partial one says anything at all."""

SLOPE_SD, SHIFT_SD = 0.1, 0.5
"""Prior of a slope (log NRMSE over the range of an axis) and of the common shift."""

ERROR_SD, ERROR_WEIGHT = 0.04, 2.0
"""Prior of the error, worth this many curves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extrapolation:
    """Log NRMSE to add to what an epoch shows, and the variance of that."""

    shift: float
    variance: float


class CurveModel:
    """Learns from finished curves; one regression an epoch.

    Args:
        points: Coordinates of the finished curves (curves, axes).
        curves: Their log NRMSE by epoch (curves, epochs); NaN where an epoch was not reported.
    """

    def __init__(self, points: Floats, curves: Floats) -> None:
        self._points, self._curves = points, curves
        self._fits: dict[int, _Fit | None] = {}

    def extrapolate(self, point: Floats, epoch: int) -> Extrapolation | None:
        """Predicts the last epoch from `epoch` (1 .. epochs - 1); None while too few curves are known."""
        if epoch not in self._fits:
            self._fits[epoch] = self._fit(epoch)
        fit = self._fits[epoch]
        return fit.at(point) if fit else None

    def _fit(self, epoch: int) -> _Fit | None:
        if not self._curves.size or epoch >= self._curves.shape[1]:
            return None
        gap = self._curves[:, -1] - self._curves[:, epoch - 1]
        known = np.isfinite(gap)
        if known.sum() < MIN_CURVES:
            return None
        return _Fit.of(self._points[known], gap[known])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """A regression: weights, their scaled covariance, the error's variance and how well it is known."""

    weights: Floats
    covariance: Floats
    error_variance: float
    degrees: float

    @classmethod
    def of(cls, points: Floats, gaps: Floats) -> _Fit:
        design = np.column_stack([np.ones(len(points)), points])
        prior_variance = np.array([SHIFT_SD**2] + [SLOPE_SD**2] * points.shape[1]) / ERROR_SD**2
        covariance = np.linalg.inv(design.T @ design + np.diag(1.0 / prior_variance))
        weights = covariance @ design.T @ gaps
        explained = weights @ (design.T @ gaps)
        degrees = ERROR_WEIGHT + len(gaps)
        error = (ERROR_WEIGHT * ERROR_SD**2 + max(0.0, float(gaps @ gaps - explained))) / degrees
        return cls(weights=weights, covariance=covariance, error_variance=error, degrees=degrees)

    def at(self, point: Floats) -> Extrapolation:
        design = np.concatenate([[1.0], point])
        heavy = self.degrees / max(1.0, self.degrees - 2.0)  # a Student's variance
        variance = heavy * self.error_variance * (1.0 + float(design @ self.covariance @ design))
        return Extrapolation(shift=float(design @ self.weights), variance=variance)
