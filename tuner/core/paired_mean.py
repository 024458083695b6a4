"""Student's t for the mean of paired differences: bounds, and how many pairs a bound would need.

Student, "The probable error of a mean" (1908). Knows numbers, not trials.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from tuner.core.student import t_quantile

POWER = 0.8
"""Probability with which the pairs said to be needed shall suffice, were the estimates true."""

MAX_PAIRS = 1000
"""Most pairs that are asked for; more are called out of reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedMean:
    """The mean of paired differences.

    Attributes:
        mean: Mean of the differences.
        sd: Their standard deviation, with n - 1; 0 for a single one.
        num: Number of differences, at least one.
    """

    mean: float
    sd: float
    num: int

    @classmethod
    def of(cls, differences: Sequence[float]) -> PairedMean:
        """Computes the mean of at least one difference."""
        sd = stdev(differences) if len(differences) > 1 else 0.0
        return cls(mean=fmean(differences), sd=sd, num=len(differences))

    def half_width(self, level: float) -> float:
        """Distance of a one-sided bound of confidence 1 - `level` from the mean; infinite for one pair."""
        if self.num < 2:
            return math.inf
        return t_quantile(self.num - 1, 1 - level) * self.sd / math.sqrt(self.num)

    def lower(self, level: float) -> float:
        """One-sided lower bound of confidence 1 - `level`."""
        return self.mean - self.half_width(level)

    def upper(self, level: float) -> float:
        """One-sided upper bound of confidence 1 - `level`."""
        return self.mean + self.half_width(level)

    def pairs_needed(self, bound: float, level: float) -> int | None:
        """Pairs with which the mean would be shown to differ from `bound`, to the side where it lies.

        With probability `POWER`, were mean and deviation the true ones: the least n with
        (t(1 - level) + t(POWER)) sd / sqrt(n) <= |mean - bound|. None when a single pair gives no deviation;
        `MAX_PAIRS` + 1 when it would take more than `MAX_PAIRS`.
        """
        if self.num < 2:
            return None
        gap = abs(self.mean - bound)

        def suffices(num: int) -> bool:  # and so does any greater number
            quantiles = t_quantile(num - 1, 1 - level) + t_quantile(num - 1, POWER)
            return quantiles * self.sd <= gap * math.sqrt(num)

        return 2 + bisect_left(range(2, MAX_PAIRS + 1), True, key=suffices)
