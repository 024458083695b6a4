"""The parameters that a study may vary: discrete ones, which span the lattice, and continuous ones.

Knows nothing of constraints (see `constraints`) or of how a study file spells a parameter (see
`tuner.spec`).
"""

from __future__ import annotations

from dataclasses import dataclass

ParameterValue = int | float | str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrete:
    """A parameter with finitely many values: an integer range, a list of values, or categories.

    Attributes:
        name: Name as the guide spells it, such as `batch_size`.
        values: Distinct, in ascending order when `is_ordered`.
        is_ordered: True for numbers, whose neighbours are alike; False for categories.
    """

    name: str
    values: tuple[ParameterValue, ...]
    is_ordered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous:
    """A real parameter in [low, high]; `log` says that ratios, not differences, are what matters."""

    name: str
    low: float
    high: float
    log: bool = False


Parameter = Discrete | Continuous
