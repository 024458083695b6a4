"""Everything believed at one moment of a study, from its records and probes alone.

Brings the models together over the candidates: all points of the lattice, or a sample of them where they
are many or something continuous varies. Says what is likely; what to do about it is `acquisition`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate, estimates
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.candidates import candidates
from tuner.search.models.cost import MemoryModel, TimeModel, Timing
from tuner.search.models.curves import CurveModel
from tuner.search.models.gaussian import Floats
from tuner.search.models.quality import (
    Margins,
    Observation,
    QualityModel,
    curve_model,
    expected_end,
    observations_of,
    quality_axes,
)
from tuner.search.problem import Problem

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
        records: Of every trial so far; of running ones only that they run.
        probes: What probes said.
    """

    def __init__(self, problem: Problem, records: Sequence[TrialRecord], probes: Sequence[Probed]) -> None:
        self.problem = problem
        self.records = tuple(records)
        self.probes = tuple(probes)
        self.axes = quality_axes(problem.lattice, problem.traits.quality_invariant_to)
        self.measured: dict[TrialConfig, Estimate] = estimates(records)

    # What is looked at.

    @cached_property
    def configs(self) -> tuple[TrialConfig, ...]:
        """The candidates: measured configurations first, then points of the lattice."""
        known = dict.fromkeys(record.config for record in self.records)
        for config in candidates(self.problem.lattice, self.problem.seed, tuple(known)):
            known.setdefault(config)
        return tuple(known)

    @cached_property
    def index(self) -> dict[TrialConfig, int]:
        """Where a candidate is in `configs`."""
        return {config: row for row, config in enumerate(self.configs)}

    # What it costs.

    @cached_property
    def _time_model(self) -> TimeModel | None:
        timings = [*_trained(self.records), *_probed(self.probes)]
        if not timings:
            return None
        return TimeModel(self.problem.lattice, self.problem.num_samples, timings)

    @cached_property
    def _times(self) -> tuple[Floats, Floats]:
        """Seconds at full budget and the standard deviation of their logarithm; measured where they are."""
        if self._time_model is None:
            return np.ones(len(self.configs)), np.ones(len(self.configs))
        epoch_s, spread = self._time_model.predict(self.configs)
        time_s = epoch_s * self.problem.num_epochs
        for config, estimate in self.measured.items():
            row = self.index[config]
            time_s[row], spread[row] = estimate.time_s, 0.0
        return time_s, spread

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
        """Probability that a candidate runs at all (candidates,)."""
        peaks = [(e.config, e.peak_memory_gib) for e in self.measured.values() if e.peak_memory_gib > 0]
        peaks += [
            (p.config, p.peak_memory_gib) for p in self.probes if p.epoch_time_s and p.peak_memory_gib > 0
        ]
        out = [r.config for r in self.records if r.constraint == "memory"]
        out += [p.config for p in self.probes if p.epoch_time_s is None]
        found = MemoryModel(peaks, out, self.problem.traits.capacity_gib).probability_of_fitting(self.configs)
        broken = {r.config for r in self.records if r.state is TrialState.INFEASIBLE} | set(out)
        for row, config in enumerate(self.configs):
            if config in broken:
                found[row] = 0.0
            elif config in self.measured:
                found[row] = 1.0
        return found

    @cached_property
    def overhead_s(self) -> float:
        """What a trial takes beside training: set-up, warm-up, evaluation."""
        beside = [
            r.last.setup_time_s + r.last.warmup_time_s + r.last.evaluate_time_s
            for r in self.records
            if r.last is not None and r.is_full_budget
        ]
        return median(beside) if beside else 0.0

    @property
    def cost_s(self) -> Floats:
        """Seconds a trial of each candidate occupies a worker (candidates,)."""
        return self.time_s + self.overhead_s

    # What it is worth.

    @cached_property
    def _curves(self) -> CurveModel:
        return curve_model(self.records, self.axes, self.problem.num_epochs)

    @cached_property
    def observations(self) -> list[Observation]:
        """What ended trials say of NRMSE."""
        return observations_of(self.records, self.axes, self._curves)

    @cached_property
    def margins(self) -> Margins | None:
        """How far within the target the candidates lie; None before anything was measured."""
        return self._margins_given(self.observations)

    def _margins_given(self, observations: Sequence[Observation]) -> Margins | None:
        if not observations:
            return None
        problem = self.problem
        model = QualityModel(self.axes, observations, problem.target, problem.baseline)
        return model.margins(self.configs)

    @cached_property
    def feasible(self) -> Floats:
        """Probability that a candidate's mean NRMSE meets the target; one half while nothing is known."""
        return self.margins.probability if self.margins else np.full(len(self.configs), 0.5)

    def probability(self, config: TrialConfig) -> float:
        """That a candidate's mean NRMSE meets the target."""
        return float(self.feasible[self.index[config]])

    def margins_believing(self, running: Sequence[TrialRecord]) -> Margins | None:
        """As `margins`, when every running trial ends as expected: its outcome is then no news."""
        if not running or self.margins is None:
            return self.margins
        bound = self._log_bound()
        expected = [
            Observation(r.config, r.seed, bound - float(self.margins.mean[:, self.index[r.config]].mean()))
            for r in running
        ]
        return self._margins_given([*self.observations, *expected])

    def _log_bound(self) -> float:
        target, baseline = self.problem.target, self.measured.get(self.problem.baseline)
        threshold = target.threshold(baseline.nrmse if baseline else None)
        return math.log(threshold) if threshold else 0.0

    def outlook(self, record: TrialRecord) -> float | None:
        """Probability that a running trial's configuration meets the target, its curve so far included.

        None when the curve says nothing yet.
        """
        if self.margins is None or record.config not in self.index:
            return None
        expected = expected_end(record, self.axes, self._curves)
        bound = self._log_bound()
        if expected is None or not bound:
            return None
        row = [self.index[record.config]]
        mine = Margins(
            mean=self.margins.mean[:, row],
            variance=self.margins.variance[:, row],
            noise_variance=self.margins.noise_variance,
        )
        seen = mine.given_run(np.array([bound - expected.value]), np.array([expected.error_variance]))
        return float(seen.probability[0])


def _trained(records: Iterable[TrialRecord]) -> list[Timing]:
    """Epoch times of trials: the least of each configuration, as others only ever slow one down."""
    best: dict[TrialConfig, float] = {}
    for record in records:
        if record.epoch and not any(m.resumed for m in record.measurements):
            seconds = record.time_s / record.epoch
            best[record.config] = min(seconds, best.get(record.config, math.inf))
    return [Timing(config=c, epoch_time_s=s) for c, s in best.items()]


def _probed(probes: Iterable[Probed]) -> list[Timing]:
    return [
        Timing(config=p.config, epoch_time_s=p.epoch_time_s, error=PROBE_ERROR)
        for p in probes
        if p.epoch_time_s
    ]
