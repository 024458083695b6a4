"""The ratio of two means whose runs are not paired, with its error. Knows numbers, not trials.

The error of the logarithm of each mean is its relative standard error (the delta method: Casella and Berger,
"Statistical Inference", 2nd ed., section 5.5.4). Each side has a variance of its own: Welch, "The
generalization of 'Student's' problem when several different population variances are involved" (1947).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from tuner.core.student import t_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRatio:
    """The logarithm of one mean over another.

    Attributes:
        mean: The logarithm itself.
        error: Standard error of the ratio.
        freedom: Degrees of freedom of that error, by Welch and Satterthwaite; infinite when the error is 0.
    """

    mean: float
    error: float
    freedom: float

    @classmethod
    def of(cls, above: Sequence[float], below: Sequence[float]) -> LogRatio | None:
        """Computes the ratio of positive values; None unless each side has two, since one has no error."""
        if min(len(above), len(below)) < 2:
            return None
        terms = [(variance(side) / fmean(side) ** 2 / len(side), len(side) - 1) for side in (above, below)]
        total = sum(term for term, _ in terms)
        spread = sum(term**2 / freedom for term, freedom in terms)
        return cls(
            mean=math.log(fmean(above) / fmean(below)),
            error=math.sqrt(total),
            freedom=total**2 / spread if spread else math.inf,
        )

    def lower(self, level: float) -> float:
        """One-sided lower bound of confidence 1 - `level`, of the logarithm."""
        return self.mean - self._half_width(level)

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided interval of confidence 1 - `level`, of the ratio itself."""
        half = self._half_width(level / 2)
        return math.exp(self.mean - half), math.exp(self.mean + half)

    def _half_width(self, level: float) -> float:
        return self.error * t_quantile(self.freedom, 1 - level) if self.error else 0.0
