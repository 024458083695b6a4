"""Everything believed at one moment of a study, from its records and probes alone.

Brings the models together over the candidates of a `Grid`. Says what is likely; what to do about it is
`strategy`'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from statistics import median

import numpy as np
import numpy.typing as npt

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.trial import TrialRecord
from tuner.search.grid import Grid
from tuner.search.learner import Learner
from tuner.search.ledger import Ledger, Probed
from tuner.search.models.cost import MemoryModel
from tuner.search.models.kernel import Floats
from tuner.search.models.quality import Margins, Observation
from tuner.search.problem import Problem
from tuner.search.worth import Worth


class Beliefs:
    """What is believed of the candidates; a function of its arguments alone.

    Args:
        problem: What is looked for.
        grid: The candidates; every configuration of a record or a probe is among them.
        ledger: Every trial so far, of running ones only that they run, and what probes said.
        learner: Of that ledger, when one has learnt from it before.
    """

    def __init__(self, problem: Problem, grid: Grid, ledger: Ledger, learner: Learner | None = None) -> None:
        self.problem, self.grid, self.ledger = problem, grid, ledger
        self._learner = learner or Learner(problem, ledger)

    @property
    def measured(self) -> dict[TrialConfig, Estimate]:
        """What was measured at full budget."""
        return self.ledger.measured

    @property
    def probes(self) -> dict[TrialConfig, Probed]:
        """What probes said."""
        return self.ledger.probes

    # What it costs.

    @cached_property
    def _times(self) -> tuple[Floats, Floats]:
        """Seconds at full budget and the standard deviation of their logarithm; measured where they are."""
        grid, found = self.grid, self._learner.times(self.grid)
        if found is None:
            return np.ones(len(grid.configs)), np.ones(len(grid.configs))
        time_s, spread = found[0] * self.problem.num_epochs, found[1].copy()
        for config, estimate in self.measured.items():
            row = grid.index[config]
            time_s[row], spread[row] = estimate.time_s, 0.0
        return time_s, spread

    @property
    def modelled_time(self) -> tuple[Floats, Floats] | None:
        """As `time_s` and `time_spread`, by the model also where it was measured; None before any was."""
        found = self._learner.times(self.grid)
        return None if found is None else (found[0] * self.problem.num_epochs, found[1])

    @property
    def time_parts(self) -> Floats | None:
        """`modelled_time` by batches, launches, rows and optimizer steps: they add up to it (candidates, 4).

        The law's parts, each times the correction that the model puts on the law there.
        """
        found = self._learner.time_parts(self.grid)
        return None if found is None else found * self.problem.num_epochs

    @property
    def time_s(self) -> Floats:
        """Seconds at full budget (candidates,)."""
        return self._times[0]

    @property
    def time_spread(self) -> Floats:
        """Standard deviation of the logarithm of `time_s`; 0 where it was measured (candidates,)."""
        return self._times[1]

    @cached_property
    def _peaks(self) -> list[tuple[TrialConfig, float]]:
        """Peak GiB of what ran or was probed."""
        peaks = [(e.config, e.peak_memory_gib) for e in self.measured.values() if e.peak_memory_gib > 0]
        return peaks + [
            (p.config, p.peak_memory_gib)
            for p in self.probes.values()
            if p.epoch_time_s and p.peak_memory_gib > 0
        ]

    @cached_property
    def _too_large(self) -> list[TrialConfig]:
        """What ran out of memory in a trial or a probe."""
        probed = [p.config for p in self.probes.values() if p.epoch_time_s is None]
        return [*self.ledger.too_large, *probed]

    @cached_property
    def _memory(self) -> MemoryModel:
        return MemoryModel(self._peaks, self._too_large, self.problem.traits.capacity_gib)

    def peak_gib(self, extents: Floats) -> tuple[Floats, float] | None:
        """Peak GiB of what is so large, see `extent_of` (M, 2), and its standard deviation."""
        return self._memory.predict(extents)

    @cached_property
    def fits(self) -> Floats:
        """Probability that a candidate runs and keeps the limits; none where it failed (candidates,)."""
        return self._runs * self.worth.keeping

    @cached_property
    def _runs(self) -> Floats:
        """Probability that a candidate runs at all (candidates,)."""
        found = self._memory.probability_of_fitting(self.grid.extents)
        for config in self.ledger.failed:
            found[self.grid.index[config]] = 0.0
        for config in self.measured:
            found[self.grid.index[config]] = 1.0
        for config in (*self.ledger.infeasible, *self._too_large):
            found[self.grid.index[config]] = 0.0
        return found

    @cached_property
    def cost_s(self) -> Floats:
        """Seconds a trial of each candidate occupies a worker (candidates,)."""
        beside = self.ledger.beside_s
        return self.time_s + (median(beside) if beside else 0.0)

    # What it is worth.

    @cached_property
    def worth(self) -> Worth:
        """What is believed of objective and limits."""
        return Worth(
            goal=self.problem.goal,
            grid=self.grid,
            ledger=self.ledger,
            baseline=self.measured.get(self.problem.baseline),
            time_s=self.time_s,
            time_spread=self.time_spread,
            peaks=self._peaks,
        )

    @property
    def objective(self) -> Floats:
        """What is to be small: of a training at full budget (candidates,)."""
        return self.worth.objective[0]

    @property
    def objective_spread(self) -> Floats:
        """Standard deviation of the logarithm of `objective`; 0 where it was measured (candidates,)."""
        return self.worth.objective[1]

    @cached_property
    def margins(self) -> Margins | None:
        """How far within the target the candidates lie; None before anything was measured."""
        return self._learner.margins(self.grid)

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
        return self._learner.margins_believing(self.grid, fantasies)

    def drawn_margins(self, rows: npt.NDArray[np.intp], num: int) -> Floats | None:
        """Margins of some candidates drawn together from what is believed (draws, rows)."""
        return self._learner.drawn_margins(self.grid, rows, num)

    @cached_property
    def feasible(self) -> Floats:
        """Probability that a candidate's mean NRMSE meets the target; one half while nothing is known."""
        return self.margins.probability if self.margins else np.full(len(self.grid.configs), 0.5)

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
        """That a candidate's mean NRMSE meets the target."""
        return float(self.feasible[self.grid.index[config]])

    @cached_property
    def num_runs(self) -> npt.NDArray[np.float64]:
        """Full-budget runs that bear on each candidate's NRMSE: those of equal quality, here and before."""
        group = self.grid.quality_group
        counts = self._learner.prior(self.grid).num_runs.copy()
        for config, estimate in self.measured.items():
            counts[group[self.grid.index[config]]] += len(estimate.records)
        found: npt.NDArray[np.float64] = counts[group]
        return found

    def num_prior_runs(self, config: TrialConfig) -> int:
        """Of the full-budget runs that bear on a candidate's NRMSE, those the prior brings."""
        of_groups = self._learner.prior(self.grid).num_runs
        return int(of_groups[self.grid.quality_group[self.grid.index[config]]])

    @cached_property
    def num_asked(self) -> npt.NDArray[np.float64]:
        """Runs asked for of each candidate and those of equal quality (candidates,)."""
        group = self.grid.quality_group
        counts = np.zeros(group.max() + 1)
        for config, num in self.ledger.num_asked.items():
            counts[group[self.grid.index[config]]] += num
        found: npt.NDArray[np.float64] = counts[group]
        return found

    def outlook(self, record: TrialRecord) -> float | None:
        """Probability that a running trial's configuration meets the target, its curve so far included.

        None while the curve says nothing.
        """
        expected = self._learner.expected_end(record, self.grid)
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
