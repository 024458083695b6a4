"""Decides when the search ends: when one more run would cost more seconds than all trainings could save."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.core.config import TrialConfig
from tuner.core.goal import Goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The decision that nothing more is worth running."""

    reason: str


def pays(value: float, trainings: float) -> bool:
    """Whether a run pays for itself.

    Args:
        value: Its acquisition, seconds saved in each training per second spent.
        trainings: Number of trainings for which the recommendation will be used.
    """
    return value * trainings > 1.0


def why_decided(best: TrialConfig | None, goal: Goal, trainings: float) -> str:
    """Returns in words why the search is over.

    Args:
        best: The best configuration found; None if nothing is better than the baseline.
        goal: The study's.
        trainings: Number of trainings for which the recommendation will be used.
    """
    winner = best or "the baseline"
    could = f"that could be {goal.objective.better} than {winner} and meet {goal.text}"
    return f"no candidate {could} is promising enough for another run to pay off in {trainings:g} trainings"
