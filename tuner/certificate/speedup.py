"""The ratio by which the recommended configuration beats the baseline, as one number with its error."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.certificate import Certificate
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal
from tuner.core.recommend import Recommendation

INTERVAL_LEVEL = 0.05
"""Error level of the two-sided interval of a speed-up from all runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """The baseline's objective over the recommended one's, as it is shown.

    Attributes:
        ratio: The speed-up ratio, baseline over recommendation.
        low: Lower bound of its interval; None if it has none.
        high: Upper bound.
        num_baseline: Number of the baseline's runs, or of pairs where the ratio is paired.
        num_recommended: Runs of the recommended configuration.
        is_paired: Whether the ratio is that of the certificate's pairs; otherwise it is that of all runs.
    """

    ratio: float
    low: float | None = None
    high: float | None = None
    num_baseline: int
    num_recommended: int
    is_paired: bool


def speedup_of(
    found: Recommendation, certificate: Certificate | None, baseline: Estimate, goal: Goal
) -> Speedup | None:
    """Returns the speed-up by the certificate's pairs, else by the means of all runs; None without a ratio.

    Args:
        found: The estimate of the recommended configuration.
        certificate: The certificate of the recommendation; None if it has none.
        baseline: The estimate of the baseline.
        goal: Says what is compared.
    """
    if found.speedup is None:
        return None
    if certificate is not None and (paired := certificate.speedup) is not None:
        ratio, low, high = paired
        num = certificate.num_timed
        return Speedup(ratio=ratio, low=low, high=high, num_baseline=num, num_recommended=num, is_paired=True)
    theirs, mine = (len(goal.values(estimate, baseline)) for estimate in (baseline, found.estimate))
    seen = goal.ratio(baseline, found.estimate)
    bounds = seen.interval(INTERVAL_LEVEL) if seen else (None, None)
    return Speedup(
        ratio=found.speedup,
        low=bounds[0],
        high=bounds[1],
        num_baseline=theirs,
        num_recommended=mine,
        is_paired=False,
    )
