"""What is believed of the NRMSE of any configuration: a posterior of its mean over seeds.

One generic model, no physics: log NRMSE is an additive function of the parameters the stage does not
declare irrelevant, plus a small interaction; how smooth, how steep and how noisy it is, is learnt in each
study. Runs of configurations that differ only in what is irrelevant are pooled; partial curves count as
far as `curves` has learnt to trust them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.objectives import Target
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.models.coordinates import Axis, axes_of, coordinates
from tuner.search.models.curves import CurveModel
from tuner.search.models.gaussian import Floats, Posterior, Prior, Runs
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

NUM_PARTICLES = 16
MAX_KERNEL_ENTRIES = 8e6
"""Of one prediction, over all particles; with more points the settings are known well, and fewer will do."""


class Observation(NamedTuple):
    """Log NRMSE of a run at full budget, or what its curve lets one expect of it."""

    config: TrialConfig
    seed: int
    value: float
    error_variance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """How far configurations lie within the target, in log NRMSE, under each particle; positive is within.

    Attributes:
        mean: (P, M).
        variance: Of the mean over seeds (P, M).
        noise_variance: Of one more run about that mean (P,).
    """

    mean: Floats
    variance: Floats
    noise_variance: Floats

    @property
    def probability(self) -> Floats:
        """That the mean over seeds meets the target (M,)."""
        found: Floats = ndtr(self.mean / np.sqrt(self.variance)).mean(axis=0)
        return found

    def given_run(self, value: Floats, variance: Floats) -> Margins:
        """After one more run of each: its margin `value` (M,), known up to `variance` (M,)."""
        total = variance + self.noise_variance[:, None]
        gain = self.variance / (self.variance + total)
        return Margins(
            mean=self.mean + gain * (value - self.mean),
            variance=self.variance * (1.0 - gain),
            noise_variance=self.noise_variance,
        )


class QualityModel:
    """Beliefs about NRMSE; a function of its arguments alone.

    Args:
        axes: What NRMSE may depend on; see `quality_axes`.
        observations: Of log NRMSE, at least one.
        target: What configurations are measured against.
        baseline: What a relative target is relative to.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        observations: Sequence[Observation],
        target: Target,
        baseline: TrialConfig,
    ) -> None:
        self._axes, self._target = axes, target
        is_ordered = np.array([axis.is_ordered for axis in axes], dtype=np.bool_)
        self.level = float(np.median([o.value for o in observations]))
        runs = self._runs(observations)
        num_particles = _affordable(len(runs.points) ** 2)
        settings = infer_settings(PRIOR, runs, is_ordered, num_particles=num_particles)
        self._posterior = Posterior(settings, runs, is_ordered)
        self._baseline = coordinates([baseline], axes)[0] if target.is_relative else None

    def _runs(self, observations: Sequence[Observation]) -> Runs:
        points, point = np.unique(
            coordinates([o.config for o in observations], self._axes), axis=0, return_inverse=True
        )
        _, seed = np.unique([o.seed for o in observations], return_inverse=True)
        return Runs(
            points=points,
            point=point.reshape(-1),
            seed=seed,
            value=np.array([o.value for o in observations]) - self.level,
            error_variance=np.array([o.error_variance for o in observations]),
        )

    def margins(self, configs: Sequence[TrialConfig]) -> Margins:
        """How far within the target each configuration is believed to lie."""
        points = coordinates(configs, self._axes)
        distinct, where = np.unique(points, axis=0, return_inverse=True)
        where = where.reshape(-1)
        bound = math.log(self._target.bound)
        if self._baseline is not None:
            mean, variance = self._posterior.contrast(distinct, self._baseline)
        else:
            mean, variance = self._posterior.at(distinct)
            bound -= self.level
        settings = self._posterior.settings
        return Margins(
            mean=bound - mean[:, where],
            variance=variance[:, where],
            noise_variance=settings.noise**2 + settings.luck**2,
        )


def quality_axes(lattice: Lattice, invariant_to: Sequence[str] = ()) -> tuple[Axis, ...]:
    """What NRMSE may depend on: every parameter but the irrelevant ones, and the effective batch."""
    return axes_of(lattice, without=invariant_to, derived=["effective_batch_size"])


def observations_of(
    records: Sequence[TrialRecord], axes: Sequence[Axis], curves: CurveModel
) -> list[Observation]:
    """What ended trials say: full-budget ones as they are, partial ones as far as curves can be trusted."""
    found = []
    for record in records:
        curve = record.nrmse_curve
        if record.state is TrialState.RUNNING or not curve:
            continue
        if record.is_full_budget or record.epoch == record.num_epochs:
            found.append(Observation(record.config, record.seed, math.log(curve[record.num_epochs])))
        elif expected := expected_end(record, axes, curves):
            found.append(expected)
    return found


def expected_end(record: TrialRecord, axes: Sequence[Axis], curves: CurveModel) -> Observation | None:
    """What a partial curve lets one expect of a trial's end; None while too few curves are known."""
    curve = record.nrmse_curve
    if not curve:
        return None
    epoch = max(curve)
    found = curves.extrapolate(coordinates([record.config], axes)[0], epoch)
    if found is None:
        return None
    return Observation(record.config, record.seed, math.log(curve[epoch]) + found.shift, found.variance)


def curve_model(records: Sequence[TrialRecord], axes: Sequence[Axis], num_epochs: int) -> CurveModel:
    """What finished curves teach."""
    finished = [r for r in records if r.is_full_budget and r.num_epochs == num_epochs]
    table = np.full((len(finished), num_epochs), np.nan)
    for row, record in enumerate(finished):
        for epoch, nrmse in record.nrmse_curve.items():
            table[row, epoch - 1] = math.log(nrmse)
    return CurveModel(coordinates([r.config for r in finished], axes), table)


def _affordable(num_entries: int) -> int:
    """Particles that so many kernel entries each leave room for."""
    return int(min(NUM_PARTICLES, max(1, MAX_KERNEL_ENTRIES // max(1, num_entries))))
