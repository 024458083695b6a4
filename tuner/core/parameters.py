"""The parameters that a study may vary: discrete ones, which span the lattice, and continuous ones.

Knows nothing of constraints (see `constraints`) or of how a study file spells a parameter (see
`tuner.spec`).
"""

from __future__ import annotations

import math
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

    def readable(self, value: float) -> float:
        """Returns a value in the range with few digits, so that people can read and type what ran.

        Four digits of the value if ratios matter, else of the range's width; where the range is narrower than
        the value, its width counts, so that there are always thousands of values to choose from.
        """
        width = self.high - self.low
        finest = min(width, abs(value)) if self.log else width
        if finest > 0:
            value = round(value, 3 - math.floor(math.log10(finest)))
        return min(max(value, self.low), self.high)


Parameter = Discrete | Continuous
