"""The acquisition function: seconds that a run is expected to save each training, per second it costs.

It is the chance that some number of further runs qualifies a candidate that is better in the study's
objective than the one to beat, times the seconds that this saves, times the probability that the candidate
would be the best (`probability_best`), over the seconds of those runs: a new configuration and one more seed
of a known one compete alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from foundation.arrays import Bools, Floats
from tuner.core.trial import TrialRecord
from tuner.search.models.expected_improvement import improvement
from tuner.search.models.quality import Margins
from tuner.search.policy.admission import MAX_RUNS, MIN_RUNS, Admission
from tuner.search.policy.probability_best import probability_best
from tuner.search.policy.sparing import spared
from tuner.search.predictions import Predictions

LOOKAHEAD = (1, 2, 3, 5, 8)
"""Numbers of further runs considered at once: some things take more than one run to qualify."""

MIN_GAIN = 0.03
"""Share by which a candidate must be faster than the best qualified one to be worth looking for."""

LIKELY = 0.8
"""Probability of meeting the target from which two runs of equal quality may be under way at once."""


class Acquisition:
    """The acquisition of every candidate at one moment; a function of its arguments alone.

    Args:
        predictions: About the candidates.
        admission: The admission, which knows what is to beat.
        running: Trials under way, whose outcome is not known.
    """

    def __init__(
        self, predictions: Predictions, admission: Admission, running: Sequence[TrialRecord] = ()
    ) -> None:
        self._predictions, self._running = predictions, tuple(running)
        self._problem, self._to_beat = predictions.problem, admission.to_beat

    @cached_property
    def promise(self) -> Floats:
        """Probability that a candidate runs, meets target and limits and is clearly better (candidates,)."""
        predictions = self._predictions
        if np.isinf(self._to_beat):
            better = np.ones(len(predictions.candidates.configs))
        else:
            spread = np.maximum(predictions.objective_spread, 1e-6)
            better = ndtr(np.log(self._to_beat * (1 - MIN_GAIN) / predictions.objective) / spread)
        exhausted = (predictions.num_asked >= MAX_RUNS) | spared(predictions)
        found: Floats = np.where(exhausted, 0.0, predictions.feasible * predictions.fits * better)
        return found

    @cached_property
    def values(self) -> Floats:
        """Expected seconds saved per second spent (candidates,)."""
        predictions = self._predictions
        rates = np.where(self._is_occupied, 0.0, np.maximum(*self._rates))
        best = probability_best(predictions, self._to_beat)
        found: Floats = predictions.fits * self._gain_s * rates * best
        return found

    def is_baseline_wanted(self, row: int) -> bool:
        """Whether it is the baseline's runs, too, that make the decision on a candidate hard."""
        own, paired = self._rates
        return bool(paired[row] > own[row])

    @property
    def _is_occupied(self) -> Bools:
        """Whether a run of equal quality is under way whose outcome is better awaited (candidates,)."""
        predictions = self._predictions
        group = predictions.candidates.quality_group
        running = [group[predictions.candidates.index[record.config]] for record in self._running]
        found: Bools = np.isin(group, running) & (predictions.feasible < LIKELY)
        return found

    @cached_property
    def _gain_s(self) -> Floats:
        """Computes the expected saving against what is to beat, which each running trial may lower.

        Of an objective that is no time, in the seconds it is worth (candidates,).
        """
        predictions, objective = self._predictions, self._predictions.objective
        limit = self._to_beat if np.isfinite(self._to_beat) else float(objective.max()) * 2.0
        rows = {predictions.candidates.index[r.config] for r in self._running}
        gain, remaining = np.zeros(len(predictions.candidates.configs)), 1.0
        for row in sorted(rows, key=lambda row: float(objective[row])):
            chance = float(predictions.feasible[row] * predictions.fits[row])
            if objective[row] < limit:
                gain += remaining * chance * self._improvement(float(objective[row]))
                remaining *= 1 - chance
        gain += remaining * self._improvement(limit)
        return gain * predictions.goal.seconds_per_unit

    def _improvement(self, limit: float) -> Floats:
        """Computes E[max(0, limit - objective)] of each candidate."""
        predictions = self._predictions
        sd = np.maximum(predictions.objective * predictions.objective_spread, 1e-9)
        return sd * improvement((limit * (1 - MIN_GAIN) - predictions.objective) / sd)

    @cached_property
    def _rates(self) -> tuple[Floats, Floats]:
        """Chance per second that some number of runs qualifies a candidate, each (candidates,).

        First by runs of its own; then, where the target is relative, by runs of the baseline as well.
        """
        predictions = self._predictions
        margins = predictions.margins_given(self._running)
        needed = np.maximum(MIN_RUNS - predictions.num_runs, 1)
        own: Floats = np.zeros(len(needed))
        paired: Floats = np.zeros(len(needed))
        if margins is None:
            return own + 0.5 / needed / predictions.cost_s, paired
        baseline_s = predictions.cost_s[predictions.candidates.index[self._problem.baseline]]
        pair_cost_s = predictions.cost_s + baseline_s
        for num in LOOKAHEAD:
            enough = num >= needed
            chance = _chance_to_qualify(margins, margins.reduction(num), self._problem.max_error)
            own = np.maximum(own, np.where(enough, chance / (num * predictions.cost_s), 0.0))
            if self._problem.target.is_relative:
                chance = _chance_to_qualify(margins, margins.paired_reduction(num), self._problem.max_error)
                paired = np.maximum(paired, np.where(enough, chance / (num * pair_cost_s), 0.0))
        return own, paired


def _chance_to_qualify(margins: Margins, reduction: Floats, max_error: float) -> Floats:
    """Probability that a candidate qualifies once its margin's variance is lowered by `reduction` (P, M).

    Under each particle the margin's posterior then has a known variance; its mean is not known yet, but
    Gaussian with variance `reduction` (the preposterior). Averaged over particles: (M,).
    """
    after = np.maximum(margins.variance - reduction, 1e-18)
    moves = np.sqrt(np.maximum(reduction, 1e-18))
    found: Floats = ndtr((margins.mean - ndtri(1 - max_error) * np.sqrt(after)) / moves).mean(axis=0)
    return found
