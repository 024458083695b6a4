"""Fits the models to observations, and keeps them as long as fitting them anew would give the same.

Up to `FIRST_MARK` ended trials everything is fitted anew to all of them. From then on settings, curves and a
common level are learned only when the number of ended trials passes a mark, from those that had ended then;
what ended since is added one at a time, in the order of ending. The marks of the model of time come a trial
after those of the others, so that no answer waits for two of them. So the models are a function of what was
heard, and in which order, whenever they are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from foundation.arrays import Floats, Ints
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.trial import TrialRecord, TrialState
from tuner.core.warm_start import WarmStart
from tuner.search.candidates import Candidates
from tuner.search.earlier_run import LaidOutWarmStart, curve_table
from tuner.search.models.learning_curves import CurveModel
from tuner.search.models.measured_values import error_of_a_run
from tuner.search.models.probe_scale import ProbeScale, probe_scale
from tuner.search.models.quality import GrowingQualityModel, Margins, Observation, QualityModel
from tuner.search.models.time import GrowingTimeModel, TimeModel, Timing, law_parts
from tuner.search.observations import Observations, Timed
from tuner.search.problem import Problem

CONTENDED_ERROR = 0.2
"""Relative standard error of an epoch time that others disturbed: it is an upper bound, no more."""

FIRST_MARK = 16
EARLY_RATIO, LATE_RATIO = 1.1, 1.25
NUM_EARLY = 64
"""Ratio of one mark to the one before it, as long as that is below `NUM_EARLY`, and from then on: settings
change little by then, and what is learned from more trials costs more."""


def time_error(estimates: Iterable[Estimate]) -> float:
    """Standard deviation of the logarithm of an undisturbed run's time; 0 before any was repeated."""
    return error_of_a_run([r.time_s for r in e.timed] for e in estimates if not e.is_contended)


def mark(num_ended: int, later: int = 0) -> int:
    """The number of ended trials from which settings are learned; 0 for all, each time.

    Args:
        num_ended: Trials that have ended.
        later: Trials by which the marks of a model come later, so that not all are learned at once.
    """
    last, following = 0, FIRST_MARK
    while following + later <= num_ended:
        last = following + later
        following = math.ceil(following * (EARLY_RATIO if following < NUM_EARLY else LATE_RATIO))
    return last


_Model = TypeVar("_Model")


@dataclass
class _Grown(Generic[_Model]):
    """A model of a mark, and how much it has been told since."""

    mark: int
    candidates: Candidates
    model: _Model | None
    num_told: int


class FittedModels:
    """The models of one study's observations.

    Args:
        problem: The problem to solve.
        observations: Whose trials and probes are learned from.
        warm_start: NRMSE results of an earlier run; it teaches nothing of time, memory and what fits.
    """

    def __init__(
        self, problem: Problem, observations: Observations, warm_start: WarmStart | None = None
    ) -> None:
        self._problem, self._observations, self._warm_start = problem, observations, warm_start
        self._laid_out: tuple[Candidates, LaidOutWarmStart] | None = None
        self._quality: _Grown[GrowingQualityModel] | None = None
        self._time: _Grown[GrowingTimeModel] | None = None
        self._curves: tuple[int, Candidates, CurveModel] | None = None
        self._fitted: tuple[int, Candidates, QualityModel | None] | None = None
        self._margins: tuple[int, Candidates, Margins | None] | None = None
        self._times: tuple[int, int, Candidates, tuple[Floats, Floats]] | None = None
        self._scale_at_mark = ProbeScale()

    def warm_start(self, candidates: Candidates) -> LaidOutWarmStart:
        """The earlier run's results, on the axes of the candidates."""
        if self._laid_out is None or self._laid_out[0] is not candidates:
            self._laid_out = candidates, LaidOutWarmStart(self._warm_start, candidates)
        return self._laid_out[1]

    # Time.

    def times(self, candidates: Candidates) -> tuple[Floats, Floats] | None:
        """Returns seconds an epoch and the deviation of their logarithm (M,); None before any is known."""
        timings = self._timings(candidates)
        if not timings:
            return None
        key = (len(self._observations.ended), len(self._observations.timed))
        if self._times is None or self._times[:2] != key or self._times[2] is not candidates:
            self._times = (*key, candidates, self._fit_times(candidates, timings))
        return self._times[3]

    def time_parts(self, candidates: Candidates) -> Floats | None:
        """Returns `times`, split over batches, launches, rows and optimizer steps by the law (M, 4)."""
        found, timings = self.times(candidates), self._timings(candidates)
        if found is None:
            return None
        parts = law_parts(candidates.work, timings)
        scaled: Floats = parts * (found[0] / parts.sum(axis=1))[:, None]
        return scaled

    def _fit_times(self, candidates: Candidates, timings: Sequence[Timing]) -> tuple[Floats, Floats]:
        grown = self._grown_time(candidates)
        if grown.model is None:
            return TimeModel(
                candidates.coded_time_points, candidates.time_is_ordered, candidates.work, timings
            ).predict()
        for timed in self._observations.timed[grown.num_told :]:
            grown.model.add(self._timing(candidates, timed, 1.0, self._scale_at_mark))
        grown.num_told = len(self._observations.timed)
        return grown.model.predict(timings)

    def _grown_time(self, candidates: Candidates) -> _Grown[GrowingTimeModel]:
        at = mark(len(self._observations.ended), later=1)
        grown = self._time
        if grown is None or grown.mark != at or grown.candidates is not candidates:
            told = self._observations.timed[: self._observations.num_timed[at]] if at else []
            model = None
            if told:
                known, scale = self._known_at(at)
                timings = [self._timing(candidates, timed, s, scale) for timed, s in known.items()]
                self._scale_at_mark = scale
                model = GrowingTimeModel(
                    candidates.coded_time_points, candidates.time_is_ordered, candidates.work, timings
                )
            grown = self._time = _Grown(at, candidates, model, len(told))
        return grown

    def _known_at(self, at: int) -> tuple[dict[Timed, float], ProbeScale]:
        """The epoch times known when so many trials had ended; no disturbed one that was replaced."""
        then = Observations.of_times(self._observations.ended[:at], self._observations.probes.values())
        told = self._observations.timed[: self._observations.num_timed[at]]
        probed = [timed.config for timed in told if timed.is_probe]
        scale = probe_scale(then, probed, self._problem.traits)
        known = {
            timed: then.mean_epoch_s[timed.config]
            if not timed.is_probe
            else scale.factor * (then.probes[timed.config].epoch_time_s or math.nan)
            for timed in told
            if timed.config in then.disturbed or not timed.is_contended
        }
        return known, scale

    @property
    def probe_scale(self) -> ProbeScale:
        """What probes are worth, as far as is known now."""
        return probe_scale(self._observations, self._observations.probes, self._problem.traits)

    def _timings(self, candidates: Candidates) -> list[Timing]:
        """Epoch times of training, the mean of each configuration, and of probes."""
        observations, of_a_run = self._observations, time_error(self._observations.measured.values())
        found = [
            Timing(candidates.index[config], seconds, self._error_of(config, of_a_run))
            for config, seconds in observations.mean_epoch_s.items()
        ]
        scale = self.probe_scale
        return found + [
            Timing(
                candidates.index[probed.config], scale.factor * probed.epoch_time_s, scale.error_of(probed)
            )
            for probed in observations.probes.values()
            if probed.epoch_time_s
        ]

    def _error_of(self, config: TrialConfig, of_a_run: float) -> float:
        """Relative standard error of a configuration's mean epoch time."""
        if config in self._observations.disturbed:
            return CONTENDED_ERROR
        measured = self._observations.measured.get(config)
        return of_a_run / math.sqrt(len(measured.timed) if measured else 1)

    def _timing(self, candidates: Candidates, timed: Timed, seconds: float, scale: ProbeScale) -> Timing:
        probed = self._observations.probes.get(timed.config) if timed.is_probe else None
        error = scale.error_of(probed) if probed else CONTENDED_ERROR * timed.is_contended
        return Timing(candidates.index[timed.config], seconds, error)

    # Quality.

    def margins(self, candidates: Candidates) -> Margins | None:
        """Margins of the candidates within the target; None before anything was measured."""
        num = len(self._observations.ended)
        if self._margins is None or self._margins[0] != num or self._margins[1] is not candidates:
            self._margins = num, candidates, self.margins_given(candidates, ())
        return self._margins[2]

    def margins_given(self, candidates: Candidates, fantasies: Sequence[Observation]) -> Margins | None:
        """Computes the margins as if these had been observed as well."""
        grown = self._grown_quality(candidates)
        problem = self._problem
        if grown.model is not None:
            model = grown.model.believing(fantasies) if fantasies else grown.model
            return model.margins(problem.target).take(candidates.quality_group)
        fitted = self._fitted_quality(candidates)
        if fitted is None:
            return None
        found = fitted.margins(candidates.qualities, problem.target, self._baseline(candidates), fantasies)
        return found.take(candidates.quality_group)

    def drawn_margins(self, candidates: Candidates, rows: Ints, num: int) -> Floats | None:
        """Margins of some candidates drawn together, at least `num` times (draws, rows); see `margins`."""
        grown, target = self._grown_quality(candidates), self._problem.target
        if grown.model is not None:
            return grown.model.draws(candidates.quality_group[rows], target, num)
        fitted = self._fitted_quality(candidates)
        if fitted is None:
            return None
        return fitted.draws(candidates.quality_points[rows], target, self._baseline(candidates), num)

    def _fitted_quality(self, candidates: Candidates) -> QualityModel | None:
        """The model of everything observed, fitted once: its settings are what takes time."""
        ended = len(self._observations.ended)
        if self._fitted is None or self._fitted[0] != ended or self._fitted[1] is not candidates:
            self._fitted = ended, candidates, self._fit_quality(candidates)
        return self._fitted[2]

    def _fit_quality(self, candidates: Candidates) -> QualityModel | None:
        observations = self._observed(self._asked_order(), candidates)
        if not observations:
            return None
        return QualityModel(
            self.warm_start(candidates).points,
            candidates.quality_is_ordered,
            observations,
            num_asked=len(candidates.quality_first),
        )

    def _baseline(self, candidates: Candidates) -> Floats:
        point: Floats = candidates.quality_points[candidates.index[self._problem.baseline]]
        return point

    def _grown_quality(self, candidates: Candidates) -> _Grown[GrowingQualityModel]:
        ended = self._observations.ended
        at = mark(len(ended))
        grown = self._quality
        if grown is None or grown.mark != at or grown.candidates is not candidates:
            model = None
            if at and (observations := self._observed(ended[:at], candidates)):
                baseline = int(candidates.quality_group[candidates.index[self._problem.baseline]])
                model = GrowingQualityModel(
                    self.warm_start(candidates).points,
                    candidates.quality_is_ordered,
                    observations,
                    candidates.qualities,
                    baseline,
                )
            grown = self._quality = _Grown(at, candidates, model, at)
        if grown.model is not None:
            for record in ended[grown.num_told :]:
                for observation in self._of_quality((record,), candidates):
                    grown.model.add(observation)
            grown.num_told = len(ended)
        return grown

    def _observed(self, records: Iterable[TrialRecord], candidates: Candidates) -> list[Observation]:
        """Returns the NRMSE results of ended trials and of the earlier run."""
        theirs = self.warm_start(candidates).observations(self._learnt_curves(candidates))
        return [*self._of_quality(records, candidates), *theirs]

    def _asked_order(self) -> Iterable[TrialRecord]:
        return (r for r in self._observations.records.values() if r.state is not TrialState.RUNNING)

    def _of_quality(self, records: Iterable[TrialRecord], candidates: Candidates) -> list[Observation]:
        """The NRMSE of ended trials: full-budget ones as they are, partial ones as curves predict them."""
        found = []
        for record in records:
            if record.epoch and record.epoch == record.num_epochs:
                row = candidates.index[record.config]
                found.append(Observation(row, record.seed, math.log(record.nrmse_curve[record.num_epochs])))
            elif expected := self.expected_end(record, candidates):
                found.append(expected)
        return found

    def expected_end(self, record: TrialRecord, candidates: Candidates) -> Observation | None:
        """Returns the final NRMSE to expect of a partial curve; None while curves say nothing."""
        curve = record.nrmse_curve
        if not curve:
            return None
        epoch = max(curve)
        row = candidates.index[record.config]
        found = self._learnt_curves(candidates).extrapolate(candidates.quality_points[row], epoch)
        if found is None:
            return None
        return Observation(row, record.seed, math.log(curve[epoch]) + found.shift, found.variance)

    def _learnt_curves(self, candidates: Candidates) -> CurveModel:
        """Returns the curve model from the curves finished up to the last mark, or from all."""
        ended = self._observations.ended
        num = mark(len(ended)) or len(ended)
        if self._curves is None or self._curves[0] != num or self._curves[1] is not candidates:
            self._curves = num, candidates, self._fit_curves(ended[:num], candidates)
        return self._curves[2]

    def _fit_curves(self, ended: Sequence[TrialRecord], candidates: Candidates) -> CurveModel:
        known = {record.trial_id for record in ended if record.is_whole}
        finished = [
            (candidates.index[record.config], tuple(record.nrmse_curve.items()))
            for record in self._asked_order()
            if record.trial_id in known
        ]
        warm_start = self.warm_start(candidates)
        finished += [(row, run.curve) for row, run in warm_start.full]
        table = curve_table([curve for _, curve in finished], self._problem.num_epochs)
        return CurveModel(warm_start.points[[row for row, _ in finished]], table)
