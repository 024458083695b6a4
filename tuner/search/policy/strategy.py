"""Decides what to do next: the run of the largest acquisition, a probe first, or nothing more.

Puts `acquisition`, `admission`, `stopping` and `probing` together. Knows predictions, not Optuna or time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord
from tuner.search.policy.acquisition import Acquisition
from tuner.search.policy.admission import MAX_RUNS, Admission
from tuner.search.policy.probing import ProbeStep, first_probe, useful_probe
from tuner.search.policy.stopping import Decided, pays, why_decided, worthwhile
from tuner.search.predictions import Predictions


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
    """

    def __init__(
        self, predictions: Predictions, running: Sequence[TrialRecord] = (), probe_cost_s: float | None = None
    ) -> None:
        self._predictions, self._running, self._probe_cost_s = predictions, tuple(running), probe_cost_s
        self._problem = predictions.problem
        self._admission = Admission(predictions)
        self._acquisition = Acquisition(predictions, self._admission, running)

    @property
    def qualified(self) -> tuple[TrialConfig, ...]:
        """The qualified configurations; see `Admission.qualified`."""
        return self._admission.qualified

    @property
    def admitted(self) -> tuple[TrialConfig, ...]:
        """The admitted configurations; see `Admission.admitted`."""
        return self._admission.admitted

    def next_step(self) -> Step:
        """Decides what to do now. While trials are running, Decided holds only if they end as expected."""
        cost_s = self._probe_cost_s
        if cost_s is not None and (probe := first_probe(self._predictions, cost_s)):
            return probe
        values = worthwhile(self._acquisition)
        best = int(np.argmax(values))
        if not pays(float(values[best])):
            reason = why_decided(self._acquisition, self._admission.best, self._problem.goal)
            return self.confirmation() or Decided(reason=reason)
        probe = None if cost_s is None else useful_probe(self._predictions, values, best, cost_s)
        return probe or self._run(best)

    def verification(self) -> RunStep | None:
        """One more run of a known configuration that probably meets the target but is not qualified yet.

        For searches that propose by other means; None when no such run is worth its seconds.
        """
        predictions, index = self._predictions, self._predictions.candidates.index
        is_measured = np.zeros(len(index), dtype=np.bool_)
        is_measured[[index[config] for config in predictions.measured]] = True
        is_known = is_measured & (predictions.feasible >= 0.5) & (predictions.num_asked < MAX_RUNS)
        values = np.where(is_known, self._acquisition.values, 0.0)
        best = int(np.argmax(values))
        return self._run(best) if pays(float(values[best])) else None

    def confirmation(self) -> RunStep | None:
        """One more run of the best qualified configuration, unless it is admitted or runs already."""
        best = self._admission.best
        if best is None or best in self.admitted or any(r.config == best for r in self._running):
            return None
        return self._run(self._predictions.candidates.index[best])

    def _run(self, row: int) -> RunStep:
        """The candidate's next run, or the baseline's when it is that which makes the decision hard."""
        candidates = self._predictions.candidates
        config = candidates.configs[row]
        if self._acquisition.is_baseline_wanted(row):
            pair = (self._problem.baseline, config)
            config = min(pair, key=lambda c: self._predictions.num_asked[candidates.index[c]])
        return RunStep(config=config, seed=self.next_seed(config))

    def next_seed(self, config: TrialConfig) -> int:
        """The lowest seed a configuration was not asked with."""
        asked = self._predictions.observations.seeds.get(config, ())
        seed = self._problem.seed
        while seed in asked:
            seed += 1
        return seed
