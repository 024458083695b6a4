"""How the reasons of stopping rules write their figures."""

from __future__ import annotations

from tuner.core.goal import Objective

_WHEN = {
    Objective.TIME: "at full budget",
    Objective.TIME_TO_TARGET: "until the target is reached",
    Objective.ENERGY: "at full budget",
}


def projected(value: float, objective: Objective) -> str:
    """A projection of the objective, and of what it is one."""
    return f"projected {amount(value, objective)} {_WHEN[objective]}"


def amount(value: float, objective: Objective) -> str:
    """Three digits, or a whole number from 1000 on, with the objective's unit."""
    number = f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{number} {objective.unit}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th ... 11th ... 21st."""
    is_teen = 10 <= number % 100 <= 20
    return f"{number}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
