"""What the guide promises of its own row, and of any change, held against what this device measured.

Each claim is confirmed when the interval of what was measured lies within it, refuted when it lies outside,
and undecided otherwise. The speed-up is the one promised for the study's card, where the guide names one. No
claim is a check: the verdict does not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuner.core.certificate.checks import MIN_WATCHED_S, Outcome, judged, percent
from tuner.core.certificate.paired import PairedMean
from tuner.core.certificate.rounds import Pair

LEVEL = 0.05
"""Of the two-sided interval."""

SPEEDUP = (2.0, 3.0)
UTILISATION_PCT = (75.0, 80.0)
NRMSE_CHANGE_PCT = (-math.inf, 1.0)


class Finding(StrEnum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    NOT_MEASURABLE = "not measurable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A promise of the guide.

    Attributes:
        text: As the guide makes it.
        finding: What became of it.
        seen: What was measured, in words.
    """

    text: str
    finding: Finding
    seen: str


def audit(pairs: Sequence[Pair], speedup: tuple[float, float] | None = None) -> tuple[Claim, ...]:
    """The guide's claims; none when its row was not run.

    Args:
        pairs: Of the baseline and the guide's row.
        speedup: What the guide promises for the study's card; None: what it promises in general.
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
        _claim(f"{low:g}-{high:g}x faster", gains, (low, high), math.exp, "{:.2f}x"),
        _claim("GPU utilisation 75-80 %", used, UTILISATION_PCT, float, "{:.0f} %", may_lack=True),
        _claim("NRMSE changes by less than 1 %", changes, NRMSE_CHANGE_PCT, percent, "{:+.1f} %"),
    )


_FINDINGS = {
    Outcome.PASSED: Finding.CONFIRMED,
    Outcome.FAILED: Finding.REFUTED,
    Outcome.UNDECIDED: Finding.UNDECIDED,
}


def unchanged(pairs: Sequence[Pair], level: float) -> Claim:
    """Whether what is recommended keeps NRMSE as unchanged as the guide wants, whatever the study's margin.

    Args:
        pairs: Of the baseline and what is recommended.
        level: Of the test, one-sided: that of the checks.
    """
    bound_pct = NRMSE_CHANGE_PCT[1]
    text = f"recommended: NRMSE changes by less than {bound_pct:g} %"
    if len(pairs) < 2:
        return Claim(text=text, finding=Finding.UNDECIDED, seen=f"{len(pairs)} pairs say too little")
    change = PairedMean.of([math.log(p.winner.nrmse / p.baseline.nrmse) for p in pairs])
    outcome, _ = judged(change, math.log1p(bound_pct / 100), level)
    low, high = percent(change.lower(level)), percent(change.upper(level))
    seen = f"{percent(change.mean):+.1f} %, at least {low:+.1f} %, at most {high:+.1f} %"
    test = f"paired t-test, one-sided level {level:.4g}, n = {change.num}"
    return Claim(text=text, finding=_FINDINGS[outcome], seen=f"{seen}; {test}")


def _claim(
    text: str,
    values: Sequence[float],
    claimed: tuple[float, float],
    shown: Callable[[float], float],
    pattern: str,
    *,
    may_lack: bool = False,
) -> Claim:
    if not values:
        finding = Finding.NOT_MEASURABLE if may_lack else Finding.UNDECIDED
        return Claim(text=text, finding=finding, seen="not measured")
    seen = PairedMean.of(values)
    mean = pattern.format(shown(seen.mean))
    if seen.num < 2:
        return Claim(text=text, finding=Finding.UNDECIDED, seen=f"{mean}, once")
    low, high = shown(seen.lower(LEVEL / 2)), shown(seen.upper(LEVEL / 2))
    interval = f"{mean} [{pattern.format(low)}, {pattern.format(high)}], n = {seen.num}"
    if claimed[0] <= low and high <= claimed[1]:
        return Claim(text=text, finding=Finding.CONFIRMED, seen=interval)
    is_outside = high < claimed[0] or low > claimed[1]
    return Claim(text=text, finding=Finding.REFUTED if is_outside else Finding.UNDECIDED, seen=interval)
