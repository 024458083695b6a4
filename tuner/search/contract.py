"""Defines what a proposer is asked and told.

Knows nothing of Optuna, nor of how a stopped trial is projected: `FullBudgetValues` bring that along.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord
from tuner.errors import TunerError


@dataclass(frozen=True, slots=True, kw_only=True)
class FullBudgetValues:
    """The figures of a trial at its full budget: measured if every epoch ran, projected otherwise.

    Attributes:
        projected_objective: Value that the study minimises; training seconds unless it says otherwise.
        projected_nrmse: NRMSE.
        quality: NRMSE less the target's threshold, plus the amount by which the study's limits are broken;
            feasible when <= 0, and 0 while unknown. A stopped trial counts with its optimistic NRMSE, so that
            it is not called infeasible on a guess.

    Raises:
        TunerError: One of them is not finite.
    """

    projected_objective: float
    projected_nrmse: float
    quality: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.projected_objective, self.projected_nrmse, self.quality))):
            raise TunerError(f"{self} is not finite.", "tell such a trial as INFEASIBLE.")


class Proposer(Protocol):
    """Says what to try next. The same seed and the same calls give the same proposals."""

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Returns the configuration for the trial `trial_id`; called when a worker is free.

        Returns:
            A legal configuration whose lattice point no trial has used yet; when a continuous
            parameter varies beside the lattice, a point may be used again with other values of it.
            None when every point has been used and nothing continuous is left to vary.
        """
        ...

    def adopt(self, trial_id: str, config: TrialConfig) -> None:
        """Called instead of `propose` when somebody else chose: baseline, guide's row, a repeat.

        The trial becomes known to the model under that id, and its point counts as used. A
        configuration off the lattice may be run too; the model, which has no place for it, does
        not learn from it.
        """
        ...

    def tell(self, record: TrialRecord, values: FullBudgetValues | None) -> None:
        """Called once for every trial proposed or adopted, with its record in a final state.

        Args:
            record: Final; its state decides how the model takes it.
            values: Values of the trial at its full budget. None with nothing to project: an INFEASIBLE or
                FAILED trial, or one stopped before its first epoch.
        """
        ...

    def close(self) -> None:
        """Called when the study ends, however it ends: trials still running are given up."""
        ...
