"""Predicts candidates in the study's own terms: their objective, and whether they keep its limits.

Energy is time by the law, times a power that is learned. The time to the target is time, times a share of
the training that is learned from the curves. Limited figures are learned without a law, but for those that
have one: time, energy, and memory. What was measured overrules what is believed. NRMSE has another model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal, Objective
from tuner.core.limits import Limit, reported
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.candidates import Candidates
from tuner.search.models.gp_kernel import Prior
from tuner.search.models.measured_values import error_of_a_run, weighed
from tuner.search.models.memory import MemoryModel
from tuner.search.models.unknown_law import SmoothModel, probability_below, scaled
from tuner.search.observations import Observations

SHARE = Prior(amplitude=(0.15, 0.8), length=(0.8, 0.6), interaction=(0.05, 0.8), noise=(0.15, 0.7), level=0.5)
"""Prior of the logarithm of a training's share until the target was reached, beside `_rounding`."""

MIN_HEARD = 3
"""Configurations that must have been measured before a limit is believed of others, as of memory."""


@dataclass(frozen=True, kw_only=True)
class GoalPredictions:
    """Predictions about objective and limits; a function of its fields alone.

    Attributes:
        goal: The goal of the study.
        candidates: The candidates.
        observations: Everything that trials and probes said.
        baseline: The estimate of the baseline.
        time_s: Believed seconds at full budget (candidates,).
        time_spread: Standard deviation of their logarithm (candidates,).
        peaks: Peak GiB of configurations that ran or were probed.
    """

    goal: Goal
    candidates: Candidates
    observations: Observations
    baseline: Estimate | None
    time_s: Floats
    time_spread: Floats
    peaks: Sequence[tuple[TrialConfig, float]]

    @cached_property
    def objective(self) -> tuple[Floats, Floats]:
        """The objective and the standard deviation of its logarithm, each (candidates,)."""
        if self.goal.objective is Objective.TIME:
            return self.time_s, self.time_spread
        of_energy = self.goal.objective is Objective.ENERGY
        found, spread = (a.copy() for a in (self._energy_j if of_energy else self._time_to_target_s))
        of_a_run = error_of_a_run(map(self._values, self.observations.measured.values()))
        for config, estimate in self.observations.measured.items():
            value = self.goal.value(estimate, self.baseline)
            if value is not None:
                row = self.candidates.index[config]
                error = (
                    math.hypot(of_a_run, self._rounding_of(estimate, value)) / len(estimate.records) ** 0.5
                )
                found[row], spread[row] = weighed(found[row], spread[row], value, error)
        return found, spread

    def _rounding_of(self, estimate: Estimate, value: float) -> float:
        """Deviation of a time to the target's logarithm: a little luck moves it by a whole epoch."""
        if self.goal.objective is not Objective.TIME_TO_TARGET:
            return 0.0
        log_share = min(math.log(value / estimate.time_s), 0.0)
        return float(_rounding(np.array(log_share), estimate.records[0].num_epochs))

    def _values(self, estimate: Estimate) -> list[float]:
        """The objective of each run of a configuration, as far as it is known."""
        runs = (self.goal.value(Estimate(records=(run,)), self.baseline) for run in estimate.records)
        return [value for value in runs if value]

    @cached_property
    def seconds_per_unit(self) -> float:
        """Seconds of training that one unit of the objective is taken to be worth, as for the baseline."""
        if self.goal.objective is Objective.TIME:
            return 1.0
        value = None if self.baseline is None else self.goal.value(self.baseline, self.baseline)
        if self.baseline is not None and value:
            return self.baseline.time_s / value
        return float(np.median(self.time_s) / np.median(self.objective[0]))

    @cached_property
    def keeping(self) -> Floats:
        """Probability that a candidate keeps every limit (candidates,)."""
        found = np.ones(len(self.candidates.configs))
        if self.goal.objective is Objective.TIME and not self.goal.limits:
            return found
        for limit in self.goal.limits:
            threshold = limit.threshold(self.baseline)
            if threshold is not None and len(self.observations.measured) >= MIN_HEARD:
                found *= self._keeping(limit, threshold)
        for config in self.observations.measured:
            found[self.candidates.index[config]] = float(self.is_kept(config))
        return found

    def is_kept(self, config: TrialConfig) -> bool:
        """Whether a measured configuration keeps every limit, and its objective is known."""
        estimate = self.observations.measured[config]
        is_known = self.goal.value(estimate, self.baseline) is not None
        return is_known and not self.goal.breaches(estimate, self.baseline)

    # How the objective is believed to be.

    @cached_property
    def _energy_j(self) -> tuple[Floats, Floats]:
        found = [
            (self.candidates.index[r.config], math.log(joules / r.time_s))
            for r in self._heard()
            if (joules := reported(r, "energy_j")) is not None and joules > 0
        ]
        log_power, spread = self._smooth(found)
        return self.time_s * np.exp(log_power), np.hypot(self.time_spread, spread)

    @cached_property
    def _time_to_target_s(self) -> tuple[Floats, Floats]:
        found = [
            (self.candidates.index[record.config], math.log(at.seconds / record.time_s), record.num_epochs)
            for e in self.observations.measured.values()
            for record in e.records
            if (at := self.goal.reached_by(record, self.baseline)) is not None
        ]
        if not found:
            return self.time_s, np.hypot(self.time_spread, SHARE.level)
        rows, values = [row for row, _, _ in found], np.array([value for _, value, _ in found])
        rounding = _rounding(values, num_epochs := found[0][2])
        points, is_ordered = self.candidates.quality_points, self.candidates.quality_is_ordered
        log_share, spread = SmoothModel(points, is_ordered, rows, values, SHARE, rounding**2).predict()
        log_share = np.minimum(log_share, 0.0)
        spread = np.hypot(spread, _rounding(log_share, num_epochs))
        return self.time_s * np.exp(log_share), np.hypot(self.time_spread, spread)

    # How limited figures are believed to be.

    def _keeping(self, limit: Limit, threshold: float) -> Floats:
        if limit.metric == "peak_memory_gib":
            below = MemoryModel(self.peaks, (), threshold).probability_of_fitting(self.candidates.extents)
        elif limit.metric in ("time_s", "energy_j"):
            value, spread = (self.time_s, self.time_spread) if limit.metric == "time_s" else self._energy_j
            below = probability_below(math.log(max(threshold, 1e-300)), np.log(value), spread)
        else:
            heard = [
                (self.candidates.index[e.config], figure)
                for e in self.observations.measured.values()
                if (figure := limit.figure(e)) is not None
            ]
            if not heard:
                return np.ones(len(self.candidates.configs))
            typical = float(np.median([figure for _, figure in heard]))
            figures = scaled(np.array([figure for _, figure in heard]), typical)
            mean, spread = self._smooth([(row, z) for (row, _), z in zip(heard, figures, strict=True)])
            below = probability_below(float(scaled(np.array(threshold), typical)), mean, spread)
        return below if limit.is_upper else 1.0 - below

    def _smooth(self, found: Sequence[tuple[int, float]]) -> tuple[Floats, Floats]:
        rows, values = [row for row, _ in found], np.array([value for _, value in found])
        return SmoothModel(
            self.candidates.time_points, self.candidates.time_is_ordered, rows, values
        ).predict()

    def _heard(self) -> Iterator[TrialRecord]:
        """Trials that ended after an epoch or more, in one go."""
        for record in self.observations.records.values():
            if record.state is not TrialState.RUNNING and record.epoch and not record.is_resumed:
                yield record


def _rounding(log_share: Floats, num_epochs: int) -> Floats:
    """Deviation of a share's logarithm from seeing whole epochs only: that of a uniform error."""
    num_before: Floats = np.maximum(np.exp(log_share) * num_epochs, 1.0)
    return 1.0 / (num_before * 12**0.5)
