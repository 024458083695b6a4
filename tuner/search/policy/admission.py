"""Decides what may be recommended, and what is the one to beat until then.

A configuration is *recommendable* when it was measured at full budget in one go, at least `MIN_RUNS` runs
bear on its NRMSE, it keeps the study's limits, and the probability that its mean over seeds misses the target
is at most the study's `max_error`. It is *qualified* when that probability is at most a part of `max_error`:
then the search asks no more about it, and looks for something better.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tuner.core.config import TrialConfig
from tuner.search.predictions import Predictions
from tuner.search.problem import Problem

MIN_RUNS = 2
"""Runs that must bear on what is qualified: one may be luck, however sure the model is of it."""

SHARE_OF_ERROR = 0.4
"""Share of `max_error` to which the probability of missing the target is brought before the search goes on to
something better: it is found by looking again and again until a threshold is crossed, at which luck helps. If
a later run takes some of that luck away again, the configuration stays recommendable."""


def accepted_error(problem: Problem) -> float:
    """The probability of missing the target at which a configuration is qualified."""
    return SHARE_OF_ERROR * problem.max_error


class Admission:
    """The qualified configurations of one moment; a function of its argument alone.

    Args:
        predictions: About the candidates.
    """

    def __init__(self, predictions: Predictions) -> None:
        self._predictions, self._problem = predictions, predictions.problem

    @cached_property
    def qualified(self) -> tuple[TrialConfig, ...]:
        """The configurations of which the search asks no more, the best in the objective first."""
        return self._within(accepted_error(self._problem))

    @cached_property
    def recommendable(self) -> tuple[TrialConfig, ...]:
        """The configurations that may be recommended, the best in the objective first."""
        return self._within(self._problem.max_error)

    def _within(self, max_error: float) -> tuple[TrialConfig, ...]:
        """The configurations that miss the target with at most this probability."""
        predictions, index = self._predictions, self._predictions.candidates.index
        known = list(predictions.measured.items())
        rows = np.array([index[config] for config, _ in known], dtype=np.intp)
        is_probable = predictions.feasible[rows] >= 1 - max_error
        is_sure = is_probable & (predictions.num_runs[rows] >= MIN_RUNS)
        found = [
            config
            for config, estimate in (known[k] for k in np.flatnonzero(is_sure))
            if predictions.goal.is_kept(config) and not estimate.is_resumed
        ]
        return tuple(sorted(found, key=lambda config: predictions.objective[index[config]]))

    @property
    def best(self) -> TrialConfig | None:
        """The best qualified configuration unless that is the baseline; None without one."""
        best = self.qualified[0] if self.qualified else None
        return None if best == self._problem.baseline else best

    @cached_property
    def rivals(self) -> tuple[TrialConfig, ...]:
        """What a candidate has to be better than: the best qualified configuration, and the baseline.

        A baseline that probably misses the target is nothing to beat: the best that meets it is the answer.
        """
        predictions, baseline = self._predictions, self._problem.baseline
        is_rival = baseline in predictions.measured and predictions.probability(baseline) >= 0.5
        return (*self.qualified[:1], *((baseline,) if is_rival else ()))

    @cached_property
    def to_beat(self) -> float:
        """Objective of the best of the `rivals`; infinite without any."""
        rows = [self._predictions.candidates.index[config] for config in self.rivals]
        return float(min(self._predictions.objective[rows], default=np.inf))
