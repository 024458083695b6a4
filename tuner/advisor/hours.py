"""What still fits into the hours of a budget: one more trial, one more search step, the certificate.

Times are what the models predict of a whole training; before anything was measured all is taken to fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tuner.advisor.knowledge import Knowledge
from tuner.core.certificate import AUDITED_ROUNDS
from tuner.core.config import TrialConfig
from tuner.spec import StudySpec

KEPT_SHARE = 0.33
"""Share of the budget's hours that the search leaves to the certificate, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The hours of a study at one moment.

    Attributes:
        study: Has the budget.
        knowledge: Predicts times.
        elapsed_s: Seconds since the study began.
        find_best: Says what would be recommended now, None for nothing or the baseline; asked only when it
            matters, since it takes a look at every configuration.
    """

    study: StudySpec
    knowledge: Knowledge
    elapsed_s: float
    find_best: Callable[[], TrialConfig | None]

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left."""
        return self.study.budget.budget_s - self.elapsed_s

    def too_short_to_search(self) -> str:
        """Why not even the shortest trial would leave the certificate its time; empty while one would."""
        if not self.knowledge.beliefs.measured:
            return ""
        least_s = float(self.knowledge.beliefs.time_s.min())
        if least_s + KEPT_SHARE * self.study.budget.budget_s <= self.left_s:
            return ""
        return self._too_short(least_s, self._kept_s())

    def too_short_for(self, config: TrialConfig, *, begins_pair: bool = False) -> str:
        """Why a trial would not end in time; empty while it would, as far as is known.

        Args:
            config: Of the trial.
            begins_pair: Whether it makes sense only with a trial of what would be recommended after it.
        """
        beliefs = self.knowledge.beliefs
        if not beliefs.measured or config not in beliefs.grid.index:
            return ""
        other_s = self._time_s(self.find_best()) if begins_pair else 0.0
        return self._too_short(self._time_s(config) + other_s)

    def _kept_s(self) -> float:
        """Seconds that the search leaves to the certificate of what it has found."""
        num_pairs = self.study.certificate.num_planned
        best = self.find_best() if num_pairs else None
        if best is None:
            return 0.0
        baseline_s = self._time_s(self.study.baseline)
        needed_s = num_pairs * (self._time_s(best) + baseline_s)
        needed_s += min(num_pairs, AUDITED_ROUNDS) * self._time_s(self.study.guide)
        needed_s += baseline_s  # what the search starts last may take that long
        return min(needed_s, KEPT_SHARE * self.study.budget.budget_s)

    def _time_s(self, config: TrialConfig | None) -> float:
        """Of a whole training, seconds; 0 of none, and of what is no candidate."""
        beliefs = self.knowledge.beliefs
        row = None if config is None else beliefs.grid.index.get(config)
        return 0.0 if row is None else float(beliefs.time_s[row])

    def _too_short(self, time_s: float, kept_s: float = 0.0) -> str:
        if time_s + kept_s <= self.left_s:
            return ""
        kept = f", with {kept_s:.0f} s kept for the certificate," if kept_s else ""
        return f"the {max(0.0, self.left_s):.0f} s left of the budget{kept} are too short for one more trial"
