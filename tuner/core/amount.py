"""Writes values of the objective."""

from __future__ import annotations

from tuner.core.goal import Objective


def amount(value: float, objective: Objective, *, is_rounded: bool = False, is_censored: bool = False) -> str:
    """Writes a value of the objective with its unit.

    Args:
        value: The value, in the objective's unit.
        objective: The objective.
        is_rounded: Whether to write three significant digits, or a whole number from 1000 on, as the reasons
            of stopping rules do. Otherwise there are two decimals, or four significant digits from 100000 on.
        is_censored: Whether the true value is larger than `value`; the text then begins with `over`.
    """
    if is_rounded:
        number = f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
    else:
        number = f"{value:.2f}" if value < 1e5 else f"{value:.4g}"
    return f"{'over ' if is_censored else ''}{number} {objective.unit}"
