"""How the reasons of stopping rules write their figures."""

from __future__ import annotations


def seconds(value: float) -> str:
    """Three digits, or whole seconds from 1000 on."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th ... 11th ... 21st."""
    is_teen = 10 <= number % 100 <= 20
    return f"{number}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
