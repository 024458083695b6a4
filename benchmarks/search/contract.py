"""Defines what a tuner must offer so that a control arm can search with it."""

from __future__ import annotations

from typing import Protocol

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord


class Tuner(Protocol):
    """A tuner that a control arm searches with."""

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Returns the next configuration to train, or None if there are no more."""

    def learn(self, record: TrialRecord, threshold: float | None) -> None:
        """Takes the end of a trial that it proposed. The threshold is None while it is not known yet."""

    def should_stop(self, record: TrialRecord) -> bool:
        """Returns whether to stop a trial after the epoch that it just reported."""
