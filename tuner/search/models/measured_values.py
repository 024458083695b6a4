"""Weighs what was measured against what a model says, by the error that repeated runs show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np


def error_of_a_run(groups: Iterable[Sequence[float]]) -> float:
    """Standard deviation of the logarithm of one run's figure; 0 before anything was repeated.

    Args:
        groups: Positive figures of the runs of each configuration.
    """
    logs = [np.log(group) for group in groups if len(group) > 1]
    squares = sum(float(((log - log.mean()) ** 2).sum()) for log in logs)
    degrees = sum(len(log) - 1 for log in logs)
    return math.sqrt(squares / degrees) if degrees else 0.0


def weighed(modelled: float, spread: float, measured: float, error: float) -> tuple[float, float]:
    """Returns the figure to believe, and the standard deviation of its logarithm.

    Args:
        modelled: What the model says.
        spread: Standard deviation of its logarithm.
        measured: The mean of the runs.
        error: Standard error of its logarithm; 0 makes it certain.
    """
    weight = spread**2 / (spread**2 + error**2) if error else 1.0
    return modelled * (measured / modelled) ** weight, weight**0.5 * error
