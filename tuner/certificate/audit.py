"""Compares what the guide promises of its own row, and of any change, with what this device measured.

Each claim is confirmed when the interval of what was measured lies within it, refuted when it lies outside,
and undecided otherwise. The speed-up is the one promised for the study's card, where the guide names one. No
claim is a check: the verdict does not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tuner.certificate.checks import MIN_WATCHED_S, judged, percent
from tuner.certificate.rounds import Pair
from tuner.certificate.seen import Outcome
from tuner.core.paired_mean import PairedMean

LEVEL = 0.05
"""Error level of the two-sided interval."""

SPEEDUP = (2.0, 3.0)
UTILISATION_PCT = (75.0, 80.0)
NRMSE_CHANGE_PCT = (-math.inf, 1.0)


class Finding(StrEnum):
    """The outcome of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    NOT_MEASURABLE = "not measurable here"


class Promise(StrEnum):
    """The guide's promises. Each concerns its own configuration unless its name says otherwise."""

    SPEEDUP = "speed-up"
    UTILISATION = "utilisation"
    NRMSE_CHANGE = "NRMSE change"
    RECOMMENDED_NRMSE_CHANGE = "NRMSE change of what is recommended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A promise of the guide, and what was measured of it.

    Attributes:
        promise: The promise.
        low: The least that is promised, as a ratio or in percent.
        high: The most that is promised.
        finding: The outcome of the claim.
        num: Number of pairs or runs that it was measured in.
        mean: The mean measured, in the unit of `low`; None if too little was measured.
        interval: The mean's two-sided interval, or its one-sided bounds at `level`; None if there is none.
        level: Level of its one-sided test; None if it is judged by its interval.
    """

    promise: Promise
    low: float
    high: float
    finding: Finding
    num: int
    mean: float | None = None
    interval: tuple[float, float] | None = None
    level: float | None = None


def audit(pairs: Sequence[Pair], speedup: tuple[float, float] | None = None) -> tuple[Claim, ...]:
    """The guide's claims; none when its row was not run.

    Args:
        pairs: Pairs of the baseline and the guide's row.
        speedup: The speed-up that the guide promises for the study's card; None for its general promise.
    """
    if not pairs:
        return ()
    low, high = speedup or SPEEDUP
    clean = [p for p in pairs if p.is_clean]
    gains = [math.log(p.baseline.time_s / p.winner.time_s) for p in clean]
    changes = [math.log(p.winner.nrmse / p.baseline.nrmse) for p in pairs]
    watched = [p.winner.last for p in pairs if p.winner.last and p.winner.time_s >= MIN_WATCHED_S]
    used = [last.gpu_util_pct for last in watched if last.gpu_util_pct is not None]
    return (
        _claim(Promise.SPEEDUP, gains, (low, high), math.exp),
        _claim(Promise.UTILISATION, used, UTILISATION_PCT, float, may_lack=True),
        _claim(Promise.NRMSE_CHANGE, changes, NRMSE_CHANGE_PCT, percent),
    )


_FINDINGS = {
    Outcome.PASSED: Finding.CONFIRMED,
    Outcome.FAILED: Finding.REFUTED,
    Outcome.UNDECIDED: Finding.UNDECIDED,
}


def unchanged(pairs: Sequence[Pair], level: float) -> Claim:
    """Whether what is recommended keeps NRMSE as unchanged as the guide wants, whatever the study's margin.

    Args:
        pairs: Pairs of the baseline and the recommended configuration.
        level: Level of the one-sided test, as in the checks.
    """
    low_pct, high_pct = NRMSE_CHANGE_PCT
    promised = Claim(
        promise=Promise.RECOMMENDED_NRMSE_CHANGE,
        low=low_pct,
        high=high_pct,
        finding=Finding.UNDECIDED,
        num=len(pairs),
    )
    if len(pairs) < 2:
        return promised
    change = PairedMean.of([math.log(p.winner.nrmse / p.baseline.nrmse) for p in pairs])
    outcome, _ = judged(change, math.log1p(high_pct / 100), level)
    return replace(
        promised,
        finding=_FINDINGS[outcome],
        mean=percent(change.mean),
        interval=(percent(change.lower(level)), percent(change.upper(level))),
        level=level,
    )


def _claim(
    promise: Promise,
    values: Sequence[float],
    claimed: tuple[float, float],
    shown: Callable[[float], float],
    *,
    may_lack: bool = False,
) -> Claim:
    finding = Finding.UNDECIDED if values or not may_lack else Finding.NOT_MEASURABLE
    claim = Claim(promise=promise, low=claimed[0], high=claimed[1], finding=finding, num=len(values))
    if not values:
        return claim
    seen = PairedMean.of(values)
    if seen.num < 2:
        return replace(claim, mean=shown(seen.mean))
    low, high = shown(seen.lower(LEVEL / 2)), shown(seen.upper(LEVEL / 2))
    if claimed[0] <= low and high <= claimed[1]:
        finding = Finding.CONFIRMED
    elif high < claimed[0] or low > claimed[1]:
        finding = Finding.REFUTED
    return replace(claim, finding=finding, mean=shown(seen.mean), interval=(low, high))
