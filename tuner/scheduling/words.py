"""Writes the figures in the reasons of stopping rules."""

from __future__ import annotations

from tuner.core.amount import amount
from tuner.core.goal import Objective
from tuner.core.metric import Metric

_WHEN = {
    Objective.TIME: "at full budget",
    Objective.TIME_TO_TARGET: "until the target is reached",
    Objective.ENERGY: "at full budget",
}


def projected(value: float, objective: Objective) -> str:
    """A projection of the objective, and of what it is one."""
    return f"projected {amount(value, objective, is_rounded=True)} {_WHEN[objective]}"


def shown(metric: Metric, nrmse: float) -> str:
    """The quality figure with its name and its own value, of a number on the models' scale."""
    return f"{metric.label} {metric.text(nrmse)}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th ... 11th ... 21st."""
    is_teen = 10 <= number % 100 <= 20
    return f"{number}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
