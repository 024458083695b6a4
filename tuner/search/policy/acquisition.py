"""The acquisition function: seconds that a run is expected to save each training, per second it costs.

It is the chance that some number of further runs qualifies a candidate that is better in the study's
objective than the one to beat, times the seconds that this saves, times the probability that the candidate
would be the best (`probability_best`), over the seconds of those runs: a new configuration and one more seed
of a known one compete alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from foundation.arrays import Bools, Floats
from tuner.core.trial import TrialRecord
from tuner.search.models.expected_improvement import improvement
from tuner.search.models.quality import Margins
from tuner.search.policy.admission import MIN_RUNS, Admission, accepted_error
from tuner.search.policy.probability_best import probability_best
from tuner.search.policy.sparing import spared
from tuner.search.predictions import Predictions

LOOKAHEAD = (1, 2, 3, 5, 8, 13, 21)
"""Numbers of further runs considered at once: a thin margin takes many runs to show."""

DECIDED = 0.01
"""Probability of being clearly better, below which a candidate is not run any more."""

MIN_GAIN = 0.005
"""Share by which a candidate is clearly better than what is to beat."""

LIKELY = 0.8
"""Probability of meeting the target from which two runs of equal quality may be under way at once."""

HOPE = 2.0
"""Standard deviations by which an objective may well be lower than is believed."""

MAX_RESUMED = 3
"""Runs of a configuration, none in one go, after which no more is hoped for: only such a one may win."""


class Runs(Enum):
    """The runs that tell more of a candidate. Only a relative target asks for more than its own."""

    OWN = "its own"
    BASELINE = "the baseline's"
    BOTH = "both"


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
        self._is_rival = np.zeros(len(predictions.candidates.configs), dtype=np.bool_)
        self._is_rival[[predictions.candidates.index[config] for config in admission.rivals]] = True

    @cached_property
    def promise(self) -> Floats:
        """Probability that a candidate runs, meets target and limits and is clearly better (candidates,)."""
        predictions = self._predictions
        spread = np.maximum(predictions.objective_spread, 1e-6)
        better = ndtr(np.log(self._to_beat * (1 - MIN_GAIN) / predictions.objective) / spread)
        found: Floats = predictions.feasible * predictions.fits * better
        return found

    @cached_property
    def values(self) -> Floats:
        """Expected seconds saved per second spent, 0 of what is `DECIDED` (candidates,)."""
        found: Floats = np.where(self.promise < DECIDED, 0.0, self._predictions.fits * self.values_if_it_fits)
        return found

    @cached_property
    def values_if_it_fits(self) -> Floats:
        """Expected seconds saved per second spent by what runs and keeps the limits (candidates,)."""
        found: Floats = self._gain_s * self._best_rates * probability_best(self._predictions, self._to_beat)
        return found

    @cached_property
    def hopes(self) -> Floats:
        """The values if each candidate's objective were as low as it may well be (candidates,).

        A time that the model takes for too long can only be found out by timing it.
        """
        predictions = self._predictions
        lowest = predictions.objective * np.exp(-HOPE * predictions.objective_spread)
        gain_s = np.maximum(self._limit - lowest, 0.0) * predictions.goal.seconds_per_unit
        found: Floats = predictions.fits * gain_s * self._best_rates
        return found

    def wanted_runs(self, row: int) -> Runs:
        """The runs that decide on a candidate soonest."""
        return tuple(Runs)[int(np.argmax(self._rates[:, row]))]

    @property
    def _is_never_whole(self) -> Bools:
        """Whether so many runs of a candidate were all resumed that the next will be too (candidates,)."""
        found: Bools = np.zeros(len(self._is_rival), dtype=np.bool_)
        for config, estimate in self._predictions.measured.items():
            is_never = estimate.is_resumed and len(estimate.records) >= MAX_RESUMED
            found[self._predictions.candidates.index[config]] = is_never
        return found

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
        predictions, objective, limit = self._predictions, self._predictions.objective, self._limit
        rows = {predictions.candidates.index[r.config] for r in self._running}
        gain, remaining = np.zeros(len(predictions.candidates.configs)), 1.0
        for row in sorted(rows, key=lambda row: float(objective[row])):
            chance = float(predictions.feasible[row] * predictions.fits[row])
            if objective[row] < limit:
                gain += remaining * chance * self._improvement(float(objective[row]))
                remaining *= 1 - chance
        gain += remaining * self._improvement(limit)
        return gain * predictions.goal.seconds_per_unit

    @property
    def _limit(self) -> float:
        """What is to beat; without anything, more than every candidate takes."""
        return self._to_beat if np.isfinite(self._to_beat) else float(self._predictions.objective.max()) * 2.0

    def _improvement(self, limit: float) -> Floats:
        """Computes E[max(0, limit - objective)] of each candidate."""
        predictions = self._predictions
        sd = np.maximum(predictions.objective * predictions.objective_spread, 1e-9)
        return sd * improvement((limit - predictions.objective) / sd)

    @cached_property
    def _best_rates(self) -> Floats:
        """The largest of a candidate's `_rates`, 0 of what is not to run now (candidates,)."""
        is_idle = self._is_rival | self._is_occupied | self._is_never_whole | spared(self._predictions)
        found: Floats = np.where(is_idle, 0.0, self._rates.max(axis=0))
        return found

    @cached_property
    def _rates(self) -> Floats:
        """Chance per second that some number of runs qualifies a candidate (kinds of runs, candidates)."""
        predictions = self._predictions
        margins = predictions.margins_given(self._running)
        needed = np.maximum(MIN_RUNS - predictions.num_runs, 1)
        found: Floats = np.zeros((len(Runs), len(needed)))
        if margins is None:
            found[0] = 0.5 / needed / predictions.cost_s
            return found
        group = predictions.candidates.quality_group
        margins = margins.take(predictions.candidates.quality_first)  # those of a group are the same
        baseline_s = predictions.cost_s[predictions.candidates.index[self._problem.baseline]]
        kinds = {
            Runs.OWN: (margins.reduction, predictions.cost_s),
            Runs.BASELINE: (margins.baseline_reduction, baseline_s),
            Runs.BOTH: (margins.paired_reduction, predictions.cost_s + baseline_s),
        }
        known = self._known_chance(margins)
        for row, (kind, (reduction, cost_s)) in enumerate(kinds.items()):
            if kind is not Runs.OWN and not self._problem.target.is_relative:
                break
            for num in LOOKAHEAD:
                is_enough = needed == 1 if kind is Runs.BASELINE else num >= needed
                chance = _chance_to_qualify(margins, reduction(num), accepted_error(self._problem))[group]
                rate = np.where(is_enough, np.maximum(chance - known, 0.0) / (num * cost_s), 0.0)
                found[row] = np.maximum(found[row], rate)
        return found

    def _known_chance(self, of_groups: Margins) -> Floats:
        """The part of the chance to qualify that no run brings: of particles sure already (candidates,).

        Of a relative target, what is not qualified by now needs runs of the baseline. While particles
        disagree, one more of its own would seem to do, however many it had. 0 of what needs one in any case.
        """
        predictions, index = self._predictions, self._predictions.candidates.index
        if not self._problem.target.is_relative:
            return np.zeros(len(index))
        none = np.zeros_like(of_groups.variance)
        sure = _chance_to_qualify(of_groups, none, accepted_error(self._problem))
        of_group = sure[predictions.candidates.quality_group]
        found: Floats = np.where(predictions.num_runs < MIN_RUNS, 0.0, of_group)
        found[[index[c] for c, estimate in predictions.measured.items() if estimate.is_resumed]] = 0.0
        return found


def _chance_to_qualify(margins: Margins, reduction: Floats, max_error: float) -> Floats:
    """Probability that a candidate qualifies once its margin's variance is lowered by `reduction` (P, M).

    Under each particle the margin's posterior then has a known variance; its mean is not known yet, but
    Gaussian with variance `reduction` (the preposterior). Averaged over particles: (M,).
    """
    after = np.maximum(margins.variance - reduction, 1e-18)
    moves = np.sqrt(np.maximum(reduction, 1e-18))
    found: Floats = ndtr((margins.mean - ndtri(1 - max_error) * np.sqrt(after)) / moves).mean(axis=0)
    return found
