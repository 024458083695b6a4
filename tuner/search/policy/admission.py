"""Decides what may be recommended, and what is the one to beat until then.

A configuration is *qualified* when it was measured at full budget in one go, at least `MIN_RUNS` runs bear
on its NRMSE, the probability that its mean over seeds misses the target is at most the study's `max_error`,
and it keeps the study's limits. It is *admitted*, and may be recommended, at a part of that probability.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tuner.core.config import TrialConfig
from tuner.search.predictions import Predictions

MIN_RUNS = 2
"""Runs that must bear on what is qualified: one may be luck, however sure the model is of it."""

MAX_RUNS = 12
"""Runs of equal quality; what is still undecided then lies on the target."""

ADMITTED = 0.3
"""Share of `max_error` to which the probability of missing the target is brought before something is
recommended: it was found by looking again and again until a threshold was crossed, at which luck helps."""


class Admission:
    """The qualified and admitted configurations of one moment; a function of its argument alone.

    Args:
        predictions: About the candidates.
    """

    def __init__(self, predictions: Predictions) -> None:
        self._predictions, self._problem = predictions, predictions.problem

    @cached_property
    def qualified(self) -> tuple[TrialConfig, ...]:
        """The configurations sure enough of the target to be the one to beat, the best objective first.

        What had all its runs and is still not admitted lies on the target, and is dropped.
        """
        predictions, index = self._predictions, self._predictions.candidates.index
        found = []
        for config in predictions.measured:
            row = index[config]
            is_last = predictions.num_asked[row] >= MAX_RUNS
            error = self._problem.max_error * (ADMITTED if is_last else 1.0)
            is_sure = predictions.num_runs[row] >= MIN_RUNS and predictions.feasible[row] >= 1 - error
            is_resumed = predictions.measured[config].is_resumed
            if is_sure and predictions.goal.is_kept(config) and not is_resumed:
                found.append(config)
        return tuple(sorted(found, key=lambda config: predictions.objective[index[config]]))

    @cached_property
    def admitted(self) -> tuple[TrialConfig, ...]:
        """The configurations that may be recommended, the best in the objective first."""
        needed = 1 - ADMITTED * self._problem.max_error
        return tuple(c for c in self.qualified if self._predictions.probability(c) >= needed)

    @property
    def best(self) -> TrialConfig | None:
        """The best qualified configuration unless that is the baseline; None without one."""
        best = self.qualified[0] if self.qualified else None
        return None if best == self._problem.baseline else best

    @cached_property
    def to_beat(self) -> float:
        """Objective of the best qualified configuration or of the baseline; infinite without either."""
        predictions = self._predictions
        known = [*self.qualified[:1], self._problem.baseline]
        rows = (predictions.candidates.index[c] for c in known if c in predictions.measured)
        return min((float(predictions.objective[row]) for row in rows), default=np.inf)
