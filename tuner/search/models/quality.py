"""Predicts the NRMSE of any configuration: a posterior of its mean over seeds.

One generic model, no physics: log NRMSE is an additive function of the parameters the stage does not
declare irrelevant, plus a small interaction; how smooth, how steep and how noisy it is, is learned in each
study. Runs of configurations that differ only in what is irrelevant are pooled; partial curves count as
far as `curves` has learned to trust them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from foundation.arrays import Bools, Floats
from tuner.core.objectives import Target
from tuner.search.models.gp import Posterior, Runs
from tuner.search.models.gp_hyperparameters import affordable, infer_settings
from tuner.search.models.gp_incremental import Field
from tuner.search.models.gp_kernel import JITTER, Points, Prior, Settings

PRIOR = Prior(
    amplitude=(0.03, 0.9),
    length=(0.8, 0.6),
    interaction=(0.012, 0.8),
    noise=(0.009, 0.5),
    luck=(0.004, 0.5),
    own=(0.0015, 1.0),
    level=0.5,
)
"""Prior of log NRMSE, so that 0.03 is 3 %. Noise: as of two stages (docs/stage.md), with some room."""

NUM_PARTICLES = 32


class Observation(NamedTuple):
    """Log NRMSE of a candidate's run at full budget, or what its curve lets one expect of it."""

    row: int
    seed: int
    value: float
    error_variance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Margins of configurations under the target, in log NRMSE, per particle; positive is within.

    Attributes:
        mean: Mean of the margin (P, M).
        variance: Variance of the margin, whose NRMSE is the mean over seeds (P, M).
        own_variance: Variance of the configuration's part in it: below `variance` if the target is relative
            and the baseline's NRMSE is uncertain too (P, M).
        own_covariance: Covariance of that part with the margin (P, M).
        noise_variance: Variance of one more run about its mean over seeds (P,).
        private_variance: The part of that which two configurations with one seed do not share (P,).
    """

    mean: Floats
    variance: Floats
    own_variance: Floats
    own_covariance: Floats
    noise_variance: Floats
    private_variance: Floats

    @property
    def probability(self) -> Floats:
        """Returns the probability that the mean over seeds meets the target (M,)."""
        found: Floats = ndtr(self.mean / np.sqrt(self.variance)).mean(axis=0)
        return found

    def take(self, rows: npt.NDArray[np.intp]) -> Margins:
        """Returns the margins of some points, in that order."""
        return replace(
            self,
            mean=self.mean[:, rows],
            variance=self.variance[:, rows],
            own_variance=self.own_variance[:, rows],
            own_covariance=self.own_covariance[:, rows],
        )

    def given_run(self, value: Floats, variance: Floats) -> Margins:
        """Returns the margins after one more run of each, of margin `value` (M,) and its `variance` (M,)."""
        gain = self.own_covariance / (self.own_variance + variance + self.noise_variance[:, None])
        return replace(
            self,
            mean=self.mean + gain * (value - self.mean),
            variance=np.maximum(self.variance - gain * self.own_covariance, JITTER),
        )

    def reduction(self, num_runs: int) -> Floats:
        """Computes by how much so many more runs of a configuration would lower its `variance` (P, M)."""
        noise = self.noise_variance[:, None] / num_runs
        lowered: Floats = self.own_covariance**2 / (self.own_variance + noise)
        return lowered

    def baseline_reduction(self, num_runs: int) -> Floats:
        """Computes the reduction by so many more runs of the baseline alone; 0 without a relative target."""
        of_baseline = np.maximum(self.variance + self.own_variance - 2.0 * self.own_covariance, 0.0)
        noise = self.noise_variance[:, None] / num_runs
        lowered: Floats = (self.variance - self.own_covariance) ** 2 / (of_baseline + noise)
        return lowered

    def paired_reduction(self, num_runs: int) -> Floats:
        """Computes the reduction by so many runs of it and of the baseline with the same seeds (P, M)."""
        noise = 2.0 * self.private_variance[:, None] / num_runs
        lowered: Floats = self.variance**2 / (self.variance + noise)
        return lowered


class QualityModel:
    """Predictions about NRMSE; a function of its arguments alone.

    Args:
        points: Coordinates of the candidates on what NRMSE may depend on (M, A).
        is_ordered: Whether each axis is ordered.
        observations: Observations of log NRMSE, at least one.
        num_asked: Points that will be asked about.
    """

    def __init__(
        self,
        points: Floats,
        is_ordered: Bools,
        observations: Sequence[Observation],
        *,
        num_asked: int = 1,
    ) -> None:
        self._points, self._observations = points, tuple(observations)
        self.level = float(np.median([o.value for o in observations]))
        self.seeds = np.unique([o.seed for o in observations])
        self.runs = runs_of(points, observations, self.level)
        num_particles = affordable(NUM_PARTICLES, len(self.runs.points), num_asked)
        self.settings = infer_settings(PRIOR, self.runs, is_ordered, num_particles=num_particles)
        self._is_ordered = is_ordered

    @cached_property
    def _posterior(self) -> Posterior:
        return Posterior(self.settings, self.runs, self._is_ordered)

    def margins(
        self, points: Points, target: Target, baseline: Floats, given: Sequence[Observation] = ()
    ) -> Margins:
        """Computes the margins of points (M, A); a relative target is relative to the point `baseline`.

        Args:
            points: The points (M, A).
            target: The target.
            baseline: Point of the baseline (A,).
            given: What is taken as observed as well. It teaches nothing of the settings.
        """
        posterior = self._posterior
        if given:
            runs = runs_of(self._points, [*self._observations, *given], self.level)
            posterior = Posterior(self.settings, runs, self._is_ordered)
        cross = posterior.cross(points)
        mean, own = posterior.at_cross(cross)
        if not target.is_relative:
            return _margins(self.settings, math.log(target.bound) - self.level, mean, own, own, own)
        mean, variance = posterior.contrast(points, baseline, cross)
        of_baseline = posterior.at(baseline[None])[1]
        shared = 0.5 * (variance + own - of_baseline)  # covariance of f(x) - f(baseline) with f(x)
        return _margins(self.settings, math.log(target.bound), mean, variance, own, shared)

    def draws(self, points: Floats, target: Target, baseline: Floats, num: int) -> Floats:
        """Margins of points (M, A) drawn together, at least `num` times (draws, M)."""
        asked = np.concatenate([points, baseline[None]]) if target.is_relative else points
        return _draws(target, self.level, *self._posterior.joint(asked), num)


class GrowingQualityModel:
    """A `QualityModel` that keeps its settings and takes further observations one at a time.

    Args:
        points: Points of the candidates; see `QualityModel`.
        is_ordered: Whether each axis is ordered; see `QualityModel`.
        observations: Observations from which settings are learned, at least one.
        asked: The points asked about (M, A).
        baseline: Index of the point to which a relative target is relative.
    """

    def __init__(
        self,
        points: Floats,
        is_ordered: Bools,
        observations: Sequence[Observation],
        asked: Points,
        baseline: int,
    ) -> None:
        model = QualityModel(points, is_ordered, observations, num_asked=len(asked))
        self._points, self._level, self._baseline = points, model.level, baseline
        self._field = Field(model.settings, model.runs, model.seeds, is_ordered, asked, baseline)

    def add(self, observation: Observation) -> None:
        """Takes one more observation."""
        row, seed, value, error_variance = observation
        self._field.add(self._points[row], seed, value - self._level, error_variance)

    def believing(self, observations: Sequence[Observation]) -> GrowingQualityModel:
        """Returns a model that has these observations as well."""
        other = copy(self)
        other._field = self._field.copy()
        for observation in observations:
            other.add(observation)
        return other

    def margins(self, target: Target) -> Margins:
        """The margins of the points asked about within the target."""
        field, bound = self._field, math.log(target.bound)
        own = field.variance
        if not target.is_relative:
            return _margins(field.settings, bound - self._level, field.mean, own, own, own)
        mean, variance = field.contrast
        shared = 0.5 * (variance + own - own[:, [self._baseline]])
        return _margins(field.settings, bound, mean, variance, own, shared)

    def draws(self, rows: npt.NDArray[np.intp], target: Target, num: int) -> Floats:
        """Margins of some of the points asked about drawn together, at least `num` times (draws, rows)."""
        asked = np.append(rows, self._baseline) if target.is_relative else rows
        return _draws(target, self._level, *self._field.joint(asked), num)


def runs_of(points: Floats, observations: Sequence[Observation], level: float) -> Runs:
    """Observations as the model takes them: those of equal points pooled, values less a rough level."""
    return Runs.at(
        points[[o.row for o in observations]],
        np.array([o.value for o in observations]) - level,
        seeds=[o.seed for o in observations],
        error_variance=np.array([o.error_variance for o in observations]),
    )


def _draws(target: Target, level: float, mean: Floats, covariance: Floats, num: int) -> Floats:
    """Margins from the posterior of log NRMSE less `level`; of a relative target the last is the baseline."""
    size = mean.shape[1]
    root = np.linalg.cholesky(covariance + 10.0 * JITTER * np.eye(size))
    each = -(-num // len(mean))
    normal = np.random.default_rng(0).standard_normal((len(mean), size, each))
    drawn = (mean[:, :, None] + root @ normal).transpose(0, 2, 1).reshape(-1, size)
    bound = math.log(target.bound)
    found: Floats = bound - (drawn[:, :-1] - drawn[:, -1:]) if target.is_relative else bound - level - drawn
    return found


def _margins(
    settings: Settings, bound: float, mean: Floats, variance: Floats, own: Floats, shared: Floats
) -> Margins:
    return Margins(
        mean=bound - mean,
        variance=variance,
        own_variance=own,
        own_covariance=shared,
        noise_variance=settings.noise**2 + settings.luck**2,
        private_variance=settings.noise**2,
    )
