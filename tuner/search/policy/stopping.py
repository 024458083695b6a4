"""Decides when the search ends: no candidate is probably better, or none by as much as finding out costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.goal import Goal
from tuner.search.policy.acquisition import MIN_GAIN, Acquisition

DECIDED = 0.05
"""Probability of being clearly better, below which a candidate is not run any more."""

MIN_RATE = 0.001
"""Seconds a further run must be expected to save each training, per second it costs: below, it would not
pay for itself within a thousand trainings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The decision that nothing more is worth running."""

    reason: str


def worthwhile(acquisition: Acquisition) -> Floats:
    """The acquisition of those candidates that may still be run, 0 of the others (candidates,)."""
    found: Floats = np.where(acquisition.promise >= DECIDED, acquisition.values, 0.0)
    return found


def pays(value: float) -> bool:
    """Whether a run of so large an acquisition pays for itself."""
    return value > MIN_RATE


def why_decided(acquisition: Acquisition, best: TrialConfig | None, goal: Goal) -> str:
    """Returns in words why the search is over.

    Args:
        acquisition: The acquisition, by which nothing is worthwhile.
        best: The best configuration found; None if nothing is better than the baseline.
        goal: The study's.
    """
    if np.max(acquisition.promise) >= DECIDED:
        winner = best or "the baseline"
        could = f"that could be {goal.objective.better} than {winner} and meet {goal.text}"
        return f"no candidate {could} is promising enough to justify another run"
    if best is not None:
        found = f"nothing else is more than {100 * MIN_GAIN:.0f} % {goal.objective.better} than {best} and"
    else:
        found = f"nothing {goal.objective.better} than the baseline"
    return f"{found} meets {goal.text} with more than {100 * DECIDED:.0f} % probability"
