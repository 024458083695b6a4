"""Decides what to do next: the run of the largest acquisition, a probe first, or nothing more.

Puts `acquisition`, `admission`, `stopping` and `probing` together. Knows predictions, not Optuna or time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.recommend import misses_target
from tuner.core.trial import TrialRecord
from tuner.search.policy.acquisition import Acquisition, Runs
from tuner.search.policy.admission import Admission
from tuner.search.policy.probing import ProbeStep, first_probe, memory_probe, useful_probe
from tuner.search.policy.seeds import next_seed
from tuner.search.policy.stopping import Decided, pays, why_decided
from tuner.search.predictions import Predictions

REOPENING = 0.1
"""Share of the trainings that count for a run once a certificate has begun: if it finds something better, the
pairs are lost, and what they alone taught does not reopen a search that was over."""

MIN_TRIED = 8
"""Configurations to try before the models are believed that nothing is better than what is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """The decision to run `config` with `seed`."""

    config: TrialConfig
    seed: int


Step = RunStep | ProbeStep | Decided


class Strategy:
    """The judgement of one moment; a function of its arguments alone.

    Args:
        predictions: About the candidates.
        running: Trials under way, whose outcome is not known.
        probe_cost_s: Seconds a probed configuration takes; None when there is no probing.
        is_certifying: Whether a certificate has begun.
        admission: What may be recommended by these predictions, if that is known already.
    """

    def __init__(
        self,
        predictions: Predictions,
        running: Sequence[TrialRecord] = (),
        probe_cost_s: float | None = None,
        *,
        is_certifying: bool = False,
        admission: Admission | None = None,
    ) -> None:
        self._predictions, self._running, self._probe_cost_s = predictions, tuple(running), probe_cost_s
        self._problem, self._is_certifying = predictions.problem, is_certifying
        self._trainings = self._problem.trainings * (REOPENING if is_certifying else 1.0)
        self._admission = admission or Admission(predictions)
        self._acquisition = Acquisition(predictions, self._admission, running)

    @property
    def qualified(self) -> tuple[TrialConfig, ...]:
        """The qualified configurations; see `Admission.qualified`."""
        return self._admission.qualified

    def next_step(self) -> Step:
        """Decides what to do now. While trials are running, Decided holds only if they end as expected."""
        cost_s = self._probe_cost_s
        if cost_s is not None and (probe := first_probe(self._predictions, cost_s)):
            return probe
        if not self._is_certifying and (step := self._doubt()):
            return step
        values = self._acquisition.values
        best = int(np.argmax(values))
        if cost_s is not None and (probe := self._probe(values, cost_s)):
            return probe
        if pays(float(values[best]), self._trainings):
            return self._run(best)
        reason = why_decided(self._admission.best, self._problem.goal, self._problem.trainings)
        return self._exploration() or Decided(reason=reason)

    def _doubt(self) -> RunStep | None:
        """A run of a baseline that met the target by luck only, and so bars what is slower and meets it."""
        predictions, best, baseline = self._predictions, self._admission.best, self._problem.baseline
        known, index = predictions.measured.get(baseline), predictions.candidates.index
        if best is None or known is None or baseline in self._admission.rivals:
            return None
        is_slower = predictions.objective[index[best]] >= predictions.objective[index[baseline]]
        is_asked = any(record.config == baseline for record in self._running)
        is_barred = is_slower and not misses_target(known, self._problem.target) and not is_asked
        return self._run_of(baseline) if is_barred else None

    def _exploration(self) -> RunStep | None:
        """A run of what is most probably good, as long as too little was seen to say that nothing is.

        It must at least pay if it is as good as is hoped.
        """
        predictions = self._predictions
        if self._is_certifying or len(predictions.observations.num_asked) >= MIN_TRIED:
            return None
        saving_s = (self._admission.to_beat - predictions.objective) * predictions.goal.seconds_per_unit
        is_hoped = (predictions.num_asked == 0) & (saving_s * self._trainings > predictions.cost_s)
        chance = np.where(is_hoped, predictions.feasible * predictions.fits, 0.0)
        return self._run(int(np.argmax(chance / predictions.cost_s))) if chance.any() else None

    def _probe(self, values: Floats, cost_s: float) -> ProbeStep | None:
        """A probe that may change what is run next: of what fits for all that is known, or of its time."""
        if_it_fits = self._acquisition.values_if_it_fits
        if pays(float(if_it_fits.max()), self._trainings):
            return memory_probe(self._predictions, values, if_it_fits, cost_s) or useful_probe(
                self._predictions, values, self._acquisition.hopes, cost_s
            )
        return None

    def verification(self) -> RunStep | None:
        """One more run of a known configuration that probably meets the target but is not qualified yet.

        For searches that propose by other means; None when no such run is worth its seconds.
        """
        predictions, index = self._predictions, self._predictions.candidates.index
        is_measured = np.zeros(len(index), dtype=np.bool_)
        is_measured[[index[config] for config in predictions.measured]] = True
        is_known = is_measured & (predictions.feasible >= 0.5)
        values = np.where(is_known, self._acquisition.values, 0.0)
        best = int(np.argmax(values))
        return self._run(best) if pays(float(values[best]), self._trainings) else None

    def _run(self, row: int) -> RunStep:
        """The candidate's next run, or the baseline's when it is that which makes the decision hard."""
        candidates = self._predictions.candidates
        config = candidates.configs[row]
        wanted = self._acquisition.wanted_runs(row)
        if wanted is Runs.BASELINE:
            config = self._problem.baseline
        elif wanted is Runs.BOTH:
            pair = (self._problem.baseline, config)
            config = min(pair, key=lambda c: self._predictions.num_asked[candidates.index[c]])
        return self._run_of(config)

    def _run_of(self, config: TrialConfig) -> RunStep:
        return RunStep(config=config, seed=self.next_seed(config))

    def next_seed(self, config: TrialConfig) -> int:
        """The seed of a configuration's next run, one that it was not asked with."""
        return next_seed(self._problem, self._predictions.observations, config)
