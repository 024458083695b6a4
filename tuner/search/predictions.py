"""All predictions at one moment of a study, from its records and probes alone.

Brings the models together over the candidates of a `Candidates`. Says what is likely; what to do about it is
`strategy`'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from statistics import fmean, median

import numpy as np
import numpy.typing as npt

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.seeds import is_alike, num_alike
from tuner.core.trial import TrialRecord, searched
from tuner.search.candidates import Candidates
from tuner.search.models.fitted import FittedModels, time_error
from tuner.search.models.measured_values import weighed
from tuner.search.models.memory import MemoryModel
from tuner.search.models.objective_and_limits import GoalPredictions
from tuner.search.models.quality import Margins, Observation
from tuner.search.observations import Observations, Probed
from tuner.search.problem import Problem


class Predictions:
    """The predictions for the candidates; a function of its arguments alone.

    Args:
        problem: The problem to solve.
        candidates: The candidates; every configuration of a record or a probe is among them.
        observations: Every trial so far, of running ones only that they run, and what probes said.
        models: Models of those observations, when others have learned from them before.
    """

    def __init__(
        self,
        problem: Problem,
        candidates: Candidates,
        observations: Observations,
        models: FittedModels | None = None,
    ) -> None:
        self.problem, self.candidates, self.observations = problem, candidates, observations
        self._models = models or FittedModels(problem, observations)

    @property
    def measured(self) -> dict[TrialConfig, Estimate]:
        """The estimates at full budget."""
        return self.observations.measured

    @property
    def probes(self) -> dict[TrialConfig, Probed]:
        """The results of probes."""
        return self.observations.probes

    @property
    def probe_error(self) -> float:
        """The relative standard error of a probed epoch time, as far as is known."""
        return self._models.probe_scale.error

    # What it costs.

    @cached_property
    def _times(self) -> tuple[Floats, Floats]:
        """Seconds at full budget and the standard deviation of their logarithm.

        What was measured is weighed against the model by the error of its mean: that of a single run on a
        noisy clock is large.
        """
        candidates, found = self.candidates, self._models.times(self.candidates)
        if found is None:
            return np.ones(len(candidates.configs)), np.ones(len(candidates.configs))
        time_s, spread = found[0] * self.problem.num_epochs, found[1].copy()
        of_a_run = time_error(self.measured.values())
        for config, estimate in self.measured.items():
            row, error = candidates.index[config], of_a_run / len(estimate.timed) ** 0.5
            time_s[row], spread[row] = weighed(time_s[row], spread[row], estimate.time_s, error)
        return time_s, spread

    @property
    def modelled_time(self) -> tuple[Floats, Floats] | None:
        """Predictions of `time_s` and `time_spread` by the model even if measured; None before any was."""
        found = self._models.times(self.candidates)
        return None if found is None else (found[0] * self.problem.num_epochs, found[1])

    @property
    def time_parts(self) -> Floats | None:
        """`modelled_time` by batches, launches, rows and optimizer steps, which add up to it (candidates, 4).

        The law's parts, each times the correction that the model puts on the law there.
        """
        found = self._models.time_parts(self.candidates)
        return None if found is None else found * self.problem.num_epochs

    @property
    def time_s(self) -> Floats:
        """Seconds at full budget (candidates,)."""
        return self._times[0]

    @property
    def time_spread(self) -> Floats:
        """Standard deviation of the logarithm of `time_s` (candidates,)."""
        return self._times[1]

    @cached_property
    def _peaks(self) -> list[tuple[TrialConfig, float]]:
        """Peak GiB of what ran, to its end or not, or was probed."""
        seen = self.observations
        peaks = [(c, peak) for c, peak in seen.peaks.items() if peak > 0 and c not in seen.too_large]
        return peaks + [
            (p.config, p.peak_memory_gib)
            for p in self.probes.values()
            if p.epoch_time_s and p.peak_memory_gib > 0
        ]

    @cached_property
    def _too_large(self) -> list[TrialConfig]:
        """The configurations that ran out of memory in a trial or a probe."""
        probed = [p.config for p in self.probes.values() if p.is_too_large]
        return [*self.observations.too_large, *probed]

    @cached_property
    def _memory(self) -> MemoryModel:
        return MemoryModel(self._peaks, self._too_large, self.problem.traits.capacity_gib)

    def peak_gib(self, extents: Floats) -> tuple[Floats, float] | None:
        """Peak GiB of what is so large, see `extent_of` (M, 2), and its standard deviation."""
        return self._memory.predict(extents)

    @cached_property
    def fits(self) -> Floats:
        """Probability that a candidate runs and keeps the limits; none where it failed (candidates,)."""
        return self.runs * self.goal.keeping

    @cached_property
    def runs(self) -> Floats:
        """Probability that a candidate runs at all (candidates,)."""
        found = self._memory.probability_of_fitting(self.candidates.extents)
        for config in self.observations.failed:
            found[self.candidates.index[config]] = 0.0
        for config in self.measured:
            found[self.candidates.index[config]] = 1.0
        probed = [p.config for p in self.probes.values() if p.epoch_time_s is None]
        for config in (*self.observations.infeasible, *probed):
            found[self.candidates.index[config]] = 0.0
        return found

    @cached_property
    def cost_s(self) -> Floats:
        """Seconds a trial of each candidate occupies a worker (candidates,)."""
        beside = self.observations.beside_s
        return self.time_s + (median(beside) if beside else 0.0)

    # What it is worth.

    @cached_property
    def goal(self) -> GoalPredictions:
        """The predictions of objective and limits."""
        return GoalPredictions(
            goal=self.problem.goal,
            candidates=self.candidates,
            observations=self.observations,
            baseline=self.measured.get(self.problem.baseline),
            time_s=self.time_s,
            time_spread=self.time_spread,
            peaks=self._peaks,
        )

    @property
    def objective(self) -> Floats:
        """The objective to minimise, for a training at full budget (candidates,)."""
        return self.goal.objective[0]

    @property
    def objective_spread(self) -> Floats:
        """Standard deviation of the logarithm of `objective`; 0 where it was measured (candidates,)."""
        return self.goal.objective[1]

    @cached_property
    def margins(self) -> Margins | None:
        """The margins of the candidates within the target; None before anything was measured."""
        return self._models.margins(self.candidates)

    def margins_given(self, running: Sequence[TrialRecord]) -> Margins | None:
        """Computes `margins` as if every running trial ended as expected: its outcome is then no news."""
        if not running or self.margins is None or self._log_bound is None:
            return self.margins
        expected = self._log_bound - self.margins.mean.mean(axis=0)
        fantasies = [
            Observation(row, record.seed, float(expected[row]))
            for record in running
            for row in [self.candidates.index[record.config]]
        ]
        return self._models.margins_given(self.candidates, fantasies)

    def drawn_margins(self, rows: npt.NDArray[np.intp], num: int) -> Floats | None:
        """Margins of some candidates drawn together from what is believed (draws, rows)."""
        return self._models.drawn_margins(self.candidates, rows, num)

    @cached_property
    def feasible(self) -> Floats:
        """Probability that a candidate's mean NRMSE meets the target; one half while nothing is known.

        Certain where runs with different seeds agree, and the seed was seen to change nothing.
        """
        if self.margins is None:
            return np.full(len(self.candidates.configs), 0.5)
        baseline, target = self.measured.get(self.problem.baseline), self.problem.target
        found = self.margins.probability
        for group, nrmse in self._settled.items():
            is_met = target.is_met(nrmse, baseline.nrmse if baseline else None)
            found = np.where(self.candidates.quality_group == group, float(is_met), found)
        return found

    @cached_property
    def _settled(self) -> dict[int, float]:
        """Mean NRMSE of the groups of equal quality of which more seeds would teach nothing.

        The runs of a certificate do not count: they would reopen a search that is over.
        """
        runs: dict[int, list[TrialRecord]] = {}
        for config, estimate in self.measured.items():
            group = int(self.candidates.quality_group[self.candidates.index[config]])
            runs.setdefault(group, []).extend(searched(estimate.records))
        if not num_alike(runs.values()):
            return {}
        return {group: fmean(r.nrmse for r in mine) for group, mine in runs.items() if is_alike(mine)}

    @property
    def nrmse(self) -> tuple[Floats, Floats] | None:
        """Median NRMSE over seeds, and the standard deviation of its logarithm, each (candidates,).

        Of a relative target the spread is that of the ratio to the baseline's. None before anything was
        measured.
        """
        if self.margins is None or self._log_bound is None:
            return None
        mean, variance = self.margins.mean, self.margins.variance
        spread = np.sqrt(variance.mean(axis=0) + mean.var(axis=0))
        return np.exp(self._log_bound - mean.mean(axis=0)), spread

    def probability(self, config: TrialConfig) -> float:
        """The probability that a candidate's mean NRMSE meets the target."""
        return float(self.feasible[self.candidates.index[config]])

    @cached_property
    def num_runs(self) -> npt.NDArray[np.float64]:
        """Full-budget runs that bear on each candidate's NRMSE: those of equal quality, here and before."""
        group = self.candidates.quality_group
        counts = self._models.warm_start(self.candidates).num_runs.copy()
        for config, estimate in self.measured.items():
            counts[group[self.candidates.index[config]]] += len(estimate.records)
        found: npt.NDArray[np.float64] = counts[group]
        return found

    @cached_property
    def num_asked(self) -> npt.NDArray[np.float64]:
        """Runs asked for of each candidate and those of equal quality (candidates,)."""
        group = self.candidates.quality_group
        counts = np.zeros(group.max() + 1)
        for config, num in self.observations.num_asked.items():
            counts[group[self.candidates.index[config]]] += num
        found: npt.NDArray[np.float64] = counts[group]
        return found

    def outlook(self, record: TrialRecord) -> float | None:
        """Probability that a running trial's configuration meets the target, its curve so far included.

        None while the curve says nothing.
        """
        expected = self._models.expected_end(record, self.candidates)
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
