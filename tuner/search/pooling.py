"""Whether runs bear out what a stage says its NRMSE does not depend on.

Runs that differ only there are pooled, and a configuration may be certified by those of its siblings.
Siblings begin with the same seeds, so that each pair of them verifies the claim: what they differ by beyond
the luck of a seed contradicts it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import fmean

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord

SEED_SD = 0.01
"""Relative deviation of NRMSE between seeds while runs say no more; docs/stage.md has .9 %."""

MAX_DEVIATIONS = 4.0
"""Standard errors of a mean paired difference beyond which the claim is not believed."""

Quality = tuple[tuple[str, object], ...]


def pooling_contradiction(complete: Sequence[TrialRecord], invariant_to: Iterable[str]) -> str:
    """Why the claim is not to be believed, in words; empty while nothing contradicts it.

    Args:
        complete: Full-budget runs.
        invariant_to: Parameters that, says the stage, cannot change NRMSE.
    """
    claimed = tuple(invariant_to)
    siblings: dict[Quality, dict[TrialConfig, dict[int, float]]] = {}
    for record in complete:
        rest = tuple(item for item in sorted(record.config.as_dict().items()) if item[0] not in claimed)
        runs = siblings.setdefault(rest, {}).setdefault(record.config, {})
        runs[record.seed] = math.log(record.nrmse)
    spread = max(SEED_SD, _spread(runs for group in siblings.values() for runs in group.values()))
    for group in siblings.values():
        for (one, ones), (other, others) in combinations(group.items(), 2):
            gaps = [ones[seed] - others[seed] for seed in sorted(ones.keys() & others.keys())]
            if gaps and abs(fmean(gaps)) > MAX_DEVIATIONS * spread * math.sqrt(2 / len(gaps)):
                return (
                    f"NRMSE depends on {', '.join(claimed)} after all: with the same seeds, {one} has "
                    f"{100 * math.expm1(fmean(gaps)):+.1f} % against {other}, so their runs are not pooled "
                    "any more"
                )
    return ""


def _spread(groups: Iterable[dict[int, float]]) -> float:
    """Standard deviation between seeds within a configuration; 0 until there are a few."""
    squares, freedom = 0.0, 0
    for runs in groups:
        mean = fmean(runs.values())
        squares += sum((value - mean) ** 2 for value in runs.values())
        freedom += len(runs) - 1
    return math.sqrt(squares / freedom) if freedom > 2 else 0.0
