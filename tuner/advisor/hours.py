"""Decides what still fits into a budget's hours: one more trial, one more search step, the certificate.

Times are what the models predict of a whole training; before anything was measured all is taken to fit.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.advisor.judgement import incumbent
from tuner.advisor.knowledge import Knowledge
from tuner.certificate import AUDITED_ROUNDS
from tuner.core.config import TrialConfig
from tuner.core.study import StudySpec

KEPT_SHARE = 0.33
"""Share of the budget's hours that the search leaves to the certificate, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The hours of a study at one moment.

    Attributes:
        study: Has the budget.
        knowledge: Predicts times.
        elapsed_s: Seconds since the study began.
    """

    study: StudySpec
    knowledge: Knowledge
    elapsed_s: float

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left."""
        return self.study.budget.budget_s - self.elapsed_s

    def too_short_to_search(self) -> str:
        """Returns why not even the shortest trial leaves time for the certificate; empty while one does."""
        if not self.knowledge.predictions.measured:
            return ""
        least_s = float(self.knowledge.predictions.time_s.min())
        if least_s + KEPT_SHARE * self.study.budget.budget_s <= self.left_s:
            return ""
        return self._too_short(least_s, self._kept_s())

    def too_short_for(self, config: TrialConfig, *, begins_pair: bool = False, num_runs: int = 1) -> str:
        """Returns why a trial would not end in time; empty if it would, as far as is known.

        Args:
            config: The configuration of the trial.
            begins_pair: Whether it makes sense only with a trial of what would be recommended after it.
            num_runs: Trials of the configuration that it makes sense with, itself included.
        """
        predictions = self.knowledge.predictions
        if not predictions.measured or config not in predictions.candidates.index:
            return ""
        other_s = self._time_s(self._find_best()) if begins_pair else 0.0
        return self._too_short(num_runs * self._time_s(config) + other_s, num_runs=num_runs)

    def _kept_s(self) -> float:
        """Returns the seconds that the search leaves to the certificate of what it has found."""
        num_pairs = self.study.certificate.num_planned
        best = self._find_best() if num_pairs else None
        if best is None:
            return 0.0
        baseline_s = self._time_s(self.study.baseline)
        needed_s = num_pairs * (self._time_s(best) + baseline_s)
        needed_s += min(num_pairs, AUDITED_ROUNDS) * self._time_s(self.study.guide)
        needed_s += baseline_s  # what the search starts last may take that long
        return min(needed_s, KEPT_SHARE * self.study.budget.budget_s)

    def _find_best(self) -> TrialConfig | None:
        """Returns the configuration that would be recommended now; None instead of the baseline."""
        best = incumbent(self.knowledge)
        return None if best is None or best.config == self.study.baseline else best.config

    def _time_s(self, config: TrialConfig | None) -> float:
        """Returns the seconds of a whole training; 0 for None, and for what is not a candidate."""
        predictions = self.knowledge.predictions
        row = None if config is None else predictions.candidates.index.get(config)
        return 0.0 if row is None else float(predictions.time_s[row])

    def _too_short(self, time_s: float, kept_s: float = 0.0, num_runs: int = 1) -> str:
        if time_s + kept_s <= self.left_s:
            return ""
        kept = f", with {kept_s:.0f} s kept for the certificate," if kept_s else ""
        wanted = "one more trial" if num_runs == 1 else f"the {num_runs} more trials that the target takes"
        return f"the {max(0.0, self.left_s):.0f} s left of the budget{kept} are too short for {wanted}"
