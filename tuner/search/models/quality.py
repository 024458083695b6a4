"""What is believed of the NRMSE of any configuration: a posterior of its mean over seeds.

One generic model, no physics: log NRMSE is an additive function of the parameters the stage does not
declare irrelevant, plus a small interaction; how smooth, how steep and how noisy it is, is learnt in each
study. Runs of configurations that differ only in what is irrelevant are pooled; partial curves count as
far as `curves` has learnt to trust them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from tuner.core.objectives import Target
from tuner.search.models.gaussian import JITTER, Bools, Floats, Posterior, Prior, Runs
from tuner.search.models.inference import infer_settings

PRIOR = Prior(
    amplitude=(0.03, 0.9),
    length=(0.8, 0.6),
    interaction=(0.012, 0.8),
    noise=(0.009, 0.5),
    luck=(0.004, 0.5),
    level=0.5,
)
"""Of log NRMSE, so that 0.03 is 3 %. Noise: two stages measured (docs/stage.md), and room beside them."""

NUM_PARTICLES = 32
MAX_KERNEL_ENTRIES = 1.6e7
"""Of one prediction, over all particles; with more points the settings are known well, and fewer will do."""


class Observation(NamedTuple):
    """Log NRMSE of a candidate's run at full budget, or what its curve lets one expect of it."""

    row: int
    seed: int
    value: float
    error_variance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """How far configurations lie within the target, in log NRMSE, under each particle; positive is within.

    Attributes:
        mean: (P, M).
        variance: Of the margin, whose NRMSE is the mean over seeds (P, M).
        own_variance: Of the configuration's part in it: less than `variance` when the target is relative
            and the baseline's NRMSE is uncertain too (P, M).
        own_covariance: Of that part with the margin (P, M).
        noise_variance: Of one more run about its mean over seeds (P,).
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
        """That the mean over seeds meets the target (M,)."""
        found: Floats = ndtr(self.mean / np.sqrt(self.variance)).mean(axis=0)
        return found

    def take(self, rows: npt.NDArray[np.intp]) -> Margins:
        """Of some points, in that order."""
        return replace(
            self,
            mean=self.mean[:, rows],
            variance=self.variance[:, rows],
            own_variance=self.own_variance[:, rows],
            own_covariance=self.own_covariance[:, rows],
        )

    def given_run(self, value: Floats, variance: Floats) -> Margins:
        """After one more run of each: its margin `value` (M,), known up to `variance` (M,)."""
        gain = self.own_covariance / (self.own_variance + variance + self.noise_variance[:, None])
        return replace(
            self,
            mean=self.mean + gain * (value - self.mean),
            variance=np.maximum(self.variance - gain * self.own_covariance, JITTER),
        )

    def reduction(self, num_runs: int) -> Floats:
        """By how much so many more runs of a configuration would lower its `variance` (P, M)."""
        noise = self.noise_variance[:, None] / num_runs
        lowered: Floats = self.own_covariance**2 / (self.own_variance + noise)
        return lowered

    def paired_reduction(self, num_runs: int) -> Floats:
        """The same for so many runs of it and of the baseline with the same seeds (P, M)."""
        noise = 2.0 * self.private_variance[:, None] / num_runs
        lowered: Floats = self.variance**2 / (self.variance + noise)
        return lowered


class QualityModel:
    """Beliefs about NRMSE; a function of its arguments alone.

    Args:
        points: Coordinates of the candidates on what NRMSE may depend on (M, A).
        is_ordered: By axis.
        observations: Of log NRMSE, at least one.
    """

    def __init__(self, points: Floats, is_ordered: Bools, observations: Sequence[Observation]) -> None:
        self._level = float(np.median([o.value for o in observations]))
        runs = runs_of(points, observations, self._level)
        num_particles = _affordable(len(runs.points) ** 2)
        settings = infer_settings(PRIOR, runs, is_ordered, num_particles=num_particles)
        self._posterior = Posterior(settings, runs, is_ordered)

    def margins(self, points: Floats, target: Target, baseline: Floats) -> Margins:
        """How far within the target points (M, A) lie; a relative one is relative to the point `baseline`."""
        bound = math.log(target.bound)
        mean, own = self._posterior.at(points)
        variance = covariance = own
        if target.is_relative:
            mean, variance = self._posterior.contrast(points, baseline)
            of_baseline = self._posterior.at(baseline[None])[1]
            covariance = 0.5 * (variance + own - of_baseline)  # of f(x) - f(baseline) with f(x)
        else:
            bound -= self._level
        settings = self._posterior.settings
        return Margins(
            mean=bound - mean,
            variance=variance,
            own_variance=own,
            own_covariance=covariance,
            noise_variance=settings.noise**2 + settings.luck**2,
            private_variance=settings.noise**2,
        )


def runs_of(points: Floats, observations: Sequence[Observation], level: float) -> Runs:
    """Observations as the model takes them: those of equal points pooled, values less a rough level."""
    seen, point = np.unique(points[[o.row for o in observations]], axis=0, return_inverse=True)
    _, seed = np.unique([o.seed for o in observations], return_inverse=True)
    return Runs(
        points=seen,
        point=point.reshape(-1),
        seed=seed,
        value=np.array([o.value for o in observations]) - level,
        error_variance=np.array([o.error_variance for o in observations]),
    )


def _affordable(num_entries: int) -> int:
    """Particles that so many kernel entries each leave room for."""
    return int(min(NUM_PARTICLES, max(1, MAX_KERNEL_ENTRIES // max(1, num_entries))))
