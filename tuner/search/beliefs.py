"""Everything believed at one moment of a study, from its records and probes alone.

Brings the models together over the candidates of a `Grid`. Says what is likely; what to do about it is
`strategy`'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np
import numpy.typing as npt

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate, estimates
from tuner.core.prior import Prior
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.grid import Grid
from tuner.search.models.cost import MemoryModel, TimeModel, Timing
from tuner.search.models.curves import CurveModel
from tuner.search.models.gaussian import Floats
from tuner.search.models.quality import Margins, Observation, QualityModel
from tuner.search.prior import LaidOutPrior, curve_table
from tuner.search.problem import Problem

CONTENDED_ERROR = 0.2
"""Relative standard error of an epoch time that others disturbed: it is an upper bound, no more."""

PROBE_ERROR = 0.03
"""Relative standard error of a probed epoch time (docs/LOG.md, benchmarks/probe.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a probe said of a configuration; `epoch_time_s` None: it ran out of memory."""

    config: TrialConfig
    epoch_time_s: float | None
    peak_memory_gib: float = 0.0


class Beliefs:
    """What is believed of the candidates; a function of its arguments alone.

    Args:
        problem: What is looked for.
        grid: The candidates; every configuration of a record or a probe is among them.
        records: Of every trial so far; of running ones only that they run.
        probes: What probes said.
        prior: What an earlier run taught of NRMSE; of time, memory and what fits it teaches nothing.
    """

    def __init__(
        self,
        problem: Problem,
        grid: Grid,
        records: Sequence[TrialRecord],
        probes: Sequence[Probed],
        prior: Prior | None = None,
    ) -> None:
        self.problem, self.grid = problem, grid
        self._prior = LaidOutPrior(prior, grid)
        self.records, self.probes = tuple(records), tuple(probes)
        self.measured: dict[TrialConfig, Estimate] = estimates(records)

    # What it costs.

    @cached_property
    def _times(self) -> tuple[Floats, Floats]:
        """Seconds at full budget and the standard deviation of their logarithm; measured where they are."""
        timings = self._timings()
        grid = self.grid
        if not timings:
            return np.ones(len(grid.configs)), np.ones(len(grid.configs))
        model = TimeModel(grid.time_points, grid.time_is_ordered, grid.work, timings)
        epoch_s, spread = model.predict()
        time_s = epoch_s * self.problem.num_epochs
        for config, estimate in self.measured.items():
            row = grid.index[config]
            time_s[row], spread[row] = estimate.time_s, 0.0
        return time_s, spread

    def _timings(self) -> list[Timing]:
        """Epoch times of probes, and of training: the least of each, as others only ever slow one down."""
        least: dict[TrialConfig, tuple[bool, float]] = {}  # what nobody disturbed comes before what is less
        for record in self.records:
            if record.state is not TrialState.RUNNING and record.epoch:
                timed = record.is_contended, record.time_s / record.epoch
                if not any(m.resumed for m in record.measurements):
                    least[record.config] = min(timed, least.get(record.config, (True, math.inf)))
        found = [
            Timing(self.grid.index[config], seconds, CONTENDED_ERROR * is_contended)
            for config, (is_contended, seconds) in least.items()
        ]
        return found + [
            Timing(self.grid.index[probed.config], probed.epoch_time_s, PROBE_ERROR)
            for probed in self.probes
            if probed.epoch_time_s
        ]

    @property
    def time_s(self) -> Floats:
        """Seconds at full budget (candidates,)."""
        return self._times[0]

    @property
    def time_spread(self) -> Floats:
        """Standard deviation of the logarithm of `time_s`; 0 where it was measured (candidates,)."""
        return self._times[1]

    @cached_property
    def fits(self) -> Floats:
        """Probability that a candidate runs at all; none that it does where it failed (candidates,)."""
        peaks = [(e.config, e.peak_memory_gib) for e in self.measured.values() if e.peak_memory_gib > 0]
        peaks += [
            (p.config, p.peak_memory_gib) for p in self.probes if p.epoch_time_s and p.peak_memory_gib > 0
        ]
        too_large = [r.config for r in self.records if r.constraint == "memory"]
        too_large += [p.config for p in self.probes if p.epoch_time_s is None]
        model = MemoryModel(peaks, too_large, self.problem.traits.capacity_gib)
        found = model.probability_of_fitting(self.grid.extents)
        for record in self.records:
            if record.state is TrialState.FAILED:
                found[self.grid.index[record.config]] = 0.0
        for config in self.measured:
            found[self.grid.index[config]] = 1.0
        infeasible = [r.config for r in self.records if r.state is TrialState.INFEASIBLE]
        for config in (*infeasible, *too_large):
            found[self.grid.index[config]] = 0.0
        return found

    @cached_property
    def cost_s(self) -> Floats:
        """Seconds a trial of each candidate occupies a worker (candidates,)."""
        beside = [
            r.last.setup_time_s + r.last.warmup_time_s + r.last.evaluate_time_s
            for r in self.records
            if r.last is not None and r.is_full_budget
        ]
        return self.time_s + (median(beside) if beside else 0.0)

    # What it is worth.

    @cached_property
    def margins(self) -> Margins | None:
        """How far within the target the candidates lie; None before anything was measured."""
        return self._margins_given(self._observations)

    def margins_believing(self, running: Sequence[TrialRecord]) -> Margins | None:
        """As `margins`, when every running trial ends as expected: its outcome is then no news."""
        if not running or self.margins is None or self._log_bound is None:
            return self.margins
        expected = self._log_bound - self.margins.mean.mean(axis=0)
        fantasies = [
            Observation(row, record.seed, float(expected[row]))
            for record in running
            for row in [self.grid.index[record.config]]
        ]
        return self._margins_given([*self._observations, *fantasies])

    def _margins_given(self, observations: Sequence[Observation]) -> Margins | None:
        if not observations:
            return None
        grid, problem = self.grid, self.problem
        model = QualityModel(self._prior.points, grid.quality_is_ordered, observations)
        first = np.unique(grid.quality_group, return_index=True)[1]
        baseline = grid.quality_points[grid.index[problem.baseline]]
        return model.margins(grid.quality_points[first], problem.target, baseline).take(grid.quality_group)

    @cached_property
    def feasible(self) -> Floats:
        """Probability that a candidate's mean NRMSE meets the target; one half while nothing is known."""
        return self.margins.probability if self.margins else np.full(len(self.grid.configs), 0.5)

    def probability(self, config: TrialConfig) -> float:
        """That a candidate's mean NRMSE meets the target."""
        return float(self.feasible[self.grid.index[config]])

    @cached_property
    def num_runs(self) -> npt.NDArray[np.float64]:
        """Full-budget runs that bear on each candidate's NRMSE: those of equal quality, here and before."""
        group = self.grid.quality_group
        counts = self._prior.num_runs.copy()
        for config, estimate in self.measured.items():
            counts[group[self.grid.index[config]]] += len(estimate.records)
        found: npt.NDArray[np.float64] = counts[group]
        return found

    def num_prior_runs(self, config: TrialConfig) -> int:
        """Of the full-budget runs that bear on a candidate's NRMSE, those the prior brings."""
        return int(self._prior.num_runs[self.grid.quality_group[self.grid.index[config]]])

    def outlook(self, record: TrialRecord) -> float | None:
        """Probability that a running trial's configuration meets the target, its curve so far included.

        None while the curve says nothing.
        """
        expected = self._expected_end(record)
        if self.margins is None or expected is None or self._log_bound is None:
            return None
        mine = self.margins.take(np.array([expected.row]))
        seen = mine.given_run(
            np.array([self._log_bound - expected.value]), np.array([expected.error_variance])
        )
        return float(seen.probability[0])

    @cached_property
    def _log_bound(self) -> float | None:
        """The target's logarithm; of a relative one as far as the baseline is measured."""
        baseline = self.measured.get(self.problem.baseline)
        threshold = self.problem.target.threshold(baseline.nrmse if baseline else None)
        return math.log(threshold) if threshold else None

    @cached_property
    def _observations(self) -> list[Observation]:
        """What ended trials say: full-budget ones as they are, partial ones as far as curves are trusted."""
        found = []
        for record in self.records:
            if record.state is TrialState.RUNNING or not record.nrmse_curve:
                continue
            if record.epoch == record.num_epochs:
                row = self.grid.index[record.config]
                found.append(Observation(row, record.seed, math.log(record.nrmse_curve[record.num_epochs])))
            elif expected := self._expected_end(record):
                found.append(expected)
        return [*found, *self._prior.observations(self._curves)]

    def _expected_end(self, record: TrialRecord) -> Observation | None:
        curve = record.nrmse_curve
        if not curve:
            return None
        epoch = max(curve)
        row = self.grid.index[record.config]
        found = self._curves.extrapolate(self.grid.quality_points[row], epoch)
        if found is None:
            return None
        return Observation(row, record.seed, math.log(curve[epoch]) + found.shift, found.variance)

    @cached_property
    def _curves(self) -> CurveModel:
        """What finished curves teach."""
        finished = [
            (self.grid.index[r.config], tuple(r.nrmse_curve.items()))
            for r in self.records
            if r.is_full_budget
        ]
        finished += [(row, run.curve) for row, run in self._prior.full]
        table = curve_table([curve for _, curve in finished], self.problem.num_epochs)
        return CurveModel(self._prior.points[[row for row, _ in finished]], table)
