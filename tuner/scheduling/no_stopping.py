"""The rule `none`."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.core.trial import TrialRecord
from tuner.scheduling.contract import Continue, Decision, Evidence


@dataclass(frozen=True, slots=True)
class NoStopping:
    """Every trial runs to its full budget."""

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        """Continues, always."""
        return Continue()
