"""Fits the models to a ledger, and keeps them as long as that gives the same as fitting them anew.

Up to `FIRST_MARK` ended trials everything is fitted anew to all of them. From then on settings, curves and a
common level are learnt only when the number of ended trials passes a mark, from those that had ended then;
what ended since is added one at a time, in the order of ending. So the models are a function of what was
heard, and in which order, whenever they are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tuner.core.prior import Prior
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.grid import Grid
from tuner.search.ledger import Ledger, Timed
from tuner.search.models.cost import GrowingTimeModel, TimeModel, Timing, law_parts
from tuner.search.models.curves import CurveModel
from tuner.search.models.kernel import Floats, Ints
from tuner.search.models.quality import GrowingQualityModel, Margins, Observation, QualityModel
from tuner.search.prior import LaidOutPrior, curve_table
from tuner.search.problem import Problem

CONTENDED_ERROR = 0.2
"""Relative standard error of an epoch time that others disturbed: it is an upper bound, no more."""

PROBE_ERROR = 0.03
"""Relative standard error of a probed epoch time (docs/LOG.md, benchmarks/probe.py)."""

FIRST_MARK = 64
MARK_RATIO = 1.25


def mark(num_ended: int) -> int:
    """The number of ended trials from which settings are learnt; 0: from all, each time."""
    last, following = 0, FIRST_MARK
    while following <= num_ended:
        last, following = following, math.ceil(following * MARK_RATIO)
    return last


_Model = TypeVar("_Model")


@dataclass
class _Grown(Generic[_Model]):
    """A model of a mark, and how much it has been told since."""

    mark: int
    grid: Grid
    model: _Model | None
    num_told: int


class Learner:
    """The models of one study's ledger.

    Args:
        problem: What is looked for.
        ledger: Whose trials and probes are learnt from.
        prior: What an earlier run taught of NRMSE; of time, memory and what fits it teaches nothing.
    """

    def __init__(self, problem: Problem, ledger: Ledger, prior: Prior | None = None) -> None:
        self._problem, self._ledger, self._prior = problem, ledger, prior
        self._laid_out: tuple[Grid, LaidOutPrior] | None = None
        self._quality: _Grown[GrowingQualityModel] | None = None
        self._time: _Grown[GrowingTimeModel] | None = None
        self._curves: tuple[int, Grid, CurveModel] | None = None
        self._fitted: tuple[int, Grid, QualityModel | None] | None = None
        self._margins: tuple[int, Grid, Margins | None] | None = None
        self._times: tuple[int, int, Grid, tuple[Floats, Floats]] | None = None

    def prior(self, grid: Grid) -> LaidOutPrior:
        """What the earlier run taught, on the axes of a grid."""
        if self._laid_out is None or self._laid_out[0] is not grid:
            self._laid_out = grid, LaidOutPrior(self._prior, grid)
        return self._laid_out[1]

    # Time.

    def times(self, grid: Grid) -> tuple[Floats, Floats] | None:
        """Seconds an epoch and the standard deviation of their logarithm (M,); None before any is known."""
        timings = self._timings(grid)
        if not timings:
            return None
        key = (len(self._ledger.ended), len(self._ledger.timed))
        if self._times is None or self._times[:2] != key or self._times[2] is not grid:
            self._times = (*key, grid, self._fit_times(grid, timings))
        return self._times[3]

    def time_parts(self, grid: Grid) -> Floats | None:
        """`times`, split over batches, launches, rows and optimizer steps as the law splits it (M, 4)."""
        found, timings = self.times(grid), self._timings(grid)
        if found is None:
            return None
        parts = law_parts(grid.work, timings)
        scaled: Floats = parts * (found[0] / parts.sum(axis=1))[:, None]
        return scaled

    def _fit_times(self, grid: Grid, timings: Sequence[Timing]) -> tuple[Floats, Floats]:
        grown = self._grown_time(grid)
        if grown.model is None:
            return TimeModel(grid.time_points, grid.time_is_ordered, grid.work, timings).predict()
        for timed in self._ledger.timed[grown.num_told :]:
            grown.model.add(self._timing(grid, timed, 1.0))
        grown.num_told = len(self._ledger.timed)
        return grown.model.predict(timings)

    def _grown_time(self, grid: Grid) -> _Grown[GrowingTimeModel]:
        at = mark(len(self._ledger.ended))
        grown = self._time
        if grown is None or grown.mark != at or grown.grid is not grid:
            told = self._ledger.timed[: self._ledger.num_timed[at]] if at else []
            model = None
            if told:
                known = self._known_at(at)
                timings = [self._timing(grid, timed, seconds) for timed, seconds in known.items()]
                model = GrowingTimeModel(grid.time_points, grid.time_is_ordered, grid.work, timings)
            grown = self._time = _Grown(at, grid, model, len(told))
        return grown

    def _known_at(self, at: int) -> dict[Timed, float]:
        """The epoch times known when so many trials had ended; no disturbed one that was replaced."""
        then = Ledger(self._ledger.ended[:at], self._ledger.probes.values())
        return {
            timed: then.least_epoch_s[timed.config]
            if not timed.is_probe
            else then.probes[timed.config].epoch_time_s or math.nan
            for timed in self._ledger.timed[: self._ledger.num_timed[at]]
            if timed.config in then.disturbed or not timed.is_contended
        }

    def _timings(self, grid: Grid) -> list[Timing]:
        """Epoch times of training, the least of each as others only ever slow one down, and of probes."""
        ledger = self._ledger
        found = [
            Timing(grid.index[config], seconds, CONTENDED_ERROR * (config in ledger.disturbed))
            for config, seconds in ledger.least_epoch_s.items()
        ]
        return found + [
            Timing(grid.index[probed.config], probed.epoch_time_s, PROBE_ERROR)
            for probed in ledger.probes.values()
            if probed.epoch_time_s
        ]

    def _timing(self, grid: Grid, timed: Timed, seconds: float) -> Timing:
        error = PROBE_ERROR if timed.is_probe else CONTENDED_ERROR * timed.is_contended
        return Timing(grid.index[timed.config], seconds, error)

    # Quality.

    def margins(self, grid: Grid) -> Margins | None:
        """How far within the target the candidates lie; None before anything was measured."""
        num = len(self._ledger.ended)
        if self._margins is None or self._margins[0] != num or self._margins[1] is not grid:
            self._margins = num, grid, self.margins_believing(grid, ())
        return self._margins[2]

    def margins_believing(self, grid: Grid, fantasies: Sequence[Observation]) -> Margins | None:
        """The same if these had been observed as well."""
        grown = self._grown_quality(grid)
        problem = self._problem
        if grown.model is not None:
            model = grown.model.believing(fantasies) if fantasies else grown.model
            return model.margins(problem.target).take(grid.quality_group)
        fitted = self._fit_quality(grid, fantasies) if fantasies else self._fitted_quality(grid)
        if fitted is None:
            return None
        asked = grid.quality_points[grid.quality_first]
        return fitted.margins(asked, problem.target, self._baseline(grid)).take(grid.quality_group)

    def drawn_margins(self, grid: Grid, rows: Ints, num: int) -> Floats | None:
        """Margins of some candidates drawn together, at least `num` times (draws, rows); see `margins`."""
        grown, target = self._grown_quality(grid), self._problem.target
        if grown.model is not None:
            return grown.model.draws(grid.quality_group[rows], target, num)
        fitted = self._fitted_quality(grid)
        if fitted is None:
            return None
        return fitted.draws(grid.quality_points[rows], target, self._baseline(grid), num)

    def _fitted_quality(self, grid: Grid) -> QualityModel | None:
        """The model of everything observed, fitted once: its settings are what takes time."""
        ended = len(self._ledger.ended)
        if self._fitted is None or self._fitted[0] != ended or self._fitted[1] is not grid:
            self._fitted = ended, grid, self._fit_quality(grid, ())
        return self._fitted[2]

    def _fit_quality(self, grid: Grid, fantasies: Sequence[Observation]) -> QualityModel | None:
        observations = [*self._observed(self._asked_order(), grid), *fantasies]
        if not observations:
            return None
        return QualityModel(
            self.prior(grid).points, grid.quality_is_ordered, observations, num_asked=len(grid.quality_first)
        )

    def _baseline(self, grid: Grid) -> Floats:
        point: Floats = grid.quality_points[grid.index[self._problem.baseline]]
        return point

    def _grown_quality(self, grid: Grid) -> _Grown[GrowingQualityModel]:
        ended = self._ledger.ended
        at = mark(len(ended))
        grown = self._quality
        if grown is None or grown.mark != at or grown.grid is not grid:
            model = None
            if at and (observations := self._observed(ended[:at], grid)):
                asked = grid.quality_points[grid.quality_first]
                baseline = int(grid.quality_group[grid.index[self._problem.baseline]])
                model = GrowingQualityModel(
                    self.prior(grid).points, grid.quality_is_ordered, observations, asked, baseline
                )
            grown = self._quality = _Grown(at, grid, model, at)
        if grown.model is not None:
            for record in ended[grown.num_told :]:
                for observation in self._observations((record,), grid):
                    grown.model.add(observation)
            grown.num_told = len(ended)
        return grown

    def _observed(self, records: Iterable[TrialRecord], grid: Grid) -> list[Observation]:
        """What ended trials and the prior say."""
        theirs = self.prior(grid).observations(self._learnt_curves(grid))
        return [*self._observations(records, grid), *theirs]

    def _asked_order(self) -> Iterable[TrialRecord]:
        return (r for r in self._ledger.records.values() if r.state is not TrialState.RUNNING)

    def _observations(self, records: Iterable[TrialRecord], grid: Grid) -> list[Observation]:
        """What ended trials say: full-budget ones as they are, partial ones as far as curves are trusted."""
        found = []
        for record in records:
            if record.epoch and record.epoch == record.num_epochs:
                row = grid.index[record.config]
                found.append(Observation(row, record.seed, math.log(record.nrmse_curve[record.num_epochs])))
            elif expected := self.expected_end(record, grid):
                found.append(expected)
        return found

    def expected_end(self, record: TrialRecord, grid: Grid) -> Observation | None:
        """What a partial curve lets one expect; None while curves say nothing."""
        curve = record.nrmse_curve
        if not curve:
            return None
        epoch = max(curve)
        row = grid.index[record.config]
        found = self._learnt_curves(grid).extrapolate(grid.quality_points[row], epoch)
        if found is None:
            return None
        return Observation(row, record.seed, math.log(curve[epoch]) + found.shift, found.variance)

    def _learnt_curves(self, grid: Grid) -> CurveModel:
        """What finished curves teach: those of the mark, or all."""
        ended = self._ledger.ended
        num = mark(len(ended)) or len(ended)
        if self._curves is None or self._curves[0] != num or self._curves[1] is not grid:
            self._curves = num, grid, self._fit_curves(ended[:num], grid)
        return self._curves[2]

    def _fit_curves(self, ended: Sequence[TrialRecord], grid: Grid) -> CurveModel:
        known = {record.trial_id for record in ended if record.is_full_budget}
        finished = [
            (grid.index[record.config], tuple(record.nrmse_curve.items()))
            for record in self._asked_order()
            if record.trial_id in known
        ]
        prior = self.prior(grid)
        finished += [(row, run.curve) for row, run in prior.full]
        table = curve_table([curve for _, curve in finished], self._problem.num_epochs)
        return CurveModel(prior.points[[row for row, _ in finished]], table)
