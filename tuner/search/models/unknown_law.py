"""A figure of which no law is known, over all candidates, from the few where it was reported.

Additive Gaussian process with settings learned from the data, as for the correction of the time law.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from foundation.arrays import Bools, Floats
from tuner.search.models.gp import Posterior, Runs
from tuner.search.models.gp_hyperparameters import affordable, infer_settings
from tuner.search.models.gp_kernel import Prior

LOGARITHM = Prior(
    amplitude=(0.3, 0.8), length=(0.8, 0.6), interaction=(0.1, 0.8), noise=(0.02, 0.7), level=0.5
)
"""Prior of a figure's logarithm: one axis changes it by some 30 %."""

NUM_PARTICLES = 6
SMALL = 0.01
"""Share of a figure's typical size below which its scale is linear, so that it may be zero."""


class SmoothModel:
    """Predictions about one figure; a function of its arguments alone.

    Args:
        points: Coordinates of the candidates (M, A).
        is_ordered: Whether each axis is ordered.
        rows: Indices of the candidates for which it was reported; may repeat.
        values: Reported values, on a scale on which differences count: a logarithm, or `scaled`.
        prior: Prior of the values about their median.
        error_variance: Variance known to be added to the noise of each value; none if not given.
    """

    def __init__(
        self,
        points: Floats,
        is_ordered: Bools,
        rows: Sequence[int],
        values: Floats,
        prior: Prior = LOGARITHM,
        error_variance: Floats | None = None,
    ) -> None:
        self._points, self._prior = points, prior
        self._posterior: Posterior | None = None
        self._level = float(np.median(values)) if len(values) else 0.0
        if len(rows):
            runs = Runs.at(points[list(rows)], values - self._level, error_variance=error_variance)
            num_particles = affordable(NUM_PARTICLES, len(runs.points), len(points))
            settings = infer_settings(prior, runs, is_ordered, num_particles=num_particles)
            self._posterior = Posterior(settings, runs, is_ordered)

    def predict(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the value of every candidate, each (M,)."""
        num = len(self._points)
        if self._posterior is None:
            return np.zeros(num), np.ones(num)
        mean, variance = self._posterior.at(self._points)
        found: Floats = self._level + mean.mean(axis=0)
        spread: Floats = np.sqrt(variance.mean(axis=0) + mean.var(axis=0))
        return found, spread


def scaled(values: Floats, typical: float) -> Floats:
    """Figures on a scale that is logarithmic where they are large, and knows zero."""
    found: Floats = np.arcsinh(values / (SMALL * typical if typical > 0 else 1.0))
    return found


def probability_below(bound: float, mean: Floats, spread: Floats) -> Floats:
    """Returns the probability that a Gaussian figure is below a bound (M,)."""
    found: Floats = ndtr((bound - mean) / np.maximum(spread, 1e-9))
    return found
