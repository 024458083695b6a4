"""The target of a harder instance: how thin the optimum's margin is, and where the baseline lies.

The reference optimum is the fastest point that lies `LEAST_MARGIN` under the target at least: what is nearer
to it cannot be told from it within the budget. Whoever finds something faster that is truly feasible succeeds
too.
"""

from __future__ import annotations

import numpy as np

from foundation.arrays import Bools, Floats
from tuner.simulate.quality import Rng
from tuner.simulate.truth import Truth

LEAST_MARGIN, MOST_MARGIN = 0.003, 0.020
"""Share by which the reference optimum lies under the target: log-uniform between the two."""

MIN_SPEEDUP = 1.15
"""The optimum is at least so much faster than a baseline that meets the target."""

SHARES = {"usual": (0.10, 0.60), "tight": (0.03, 0.10), "rare": (0.003, 0.03)}
"""Share of the points that fit the card which meet the target, lowest and highest, by regime."""

MOST_MISSED = 0.05
"""A baseline that misses the target lies so much over it at most."""


def drawn_margin(rng: Rng) -> float:
    """A margin of the reference optimum."""
    return float(np.exp(rng.uniform(*np.log([LEAST_MARGIN, MOST_MARGIN]))))


def thin_threshold(truth: Truth, regime: str, margin: float, rng: Rng) -> tuple[float, float]:
    """An NRMSE under which a point of the front of time and NRMSE is the reference optimum, by a margin.

    Where no point of the front allows both the margin and the regime's share, the one that misses them least
    is taken, with the margin it allows.

    Returns:
        The threshold, and by how much what was wanted is missed: a margin 0.1 % too thin counts as much as
        2 % of the points too many or too few.
    """
    final = np.where(truth.fits, truth.nrmse[:, -1], np.inf)
    order = np.lexsort((final, truth.time_s))
    order = order[np.isfinite(final[order])]
    nrmse = final[order]  # (points that fit,), fastest first
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(nrmse)[:-1]])
    room = 1 - (1 - LEAST_MARGIN) * nrmse / best_before  # margins up to here leave a point the reference
    shares = np.searchsorted(np.sort(nrmse), nrmse / (1 - margin)) / len(nrmse)
    low, high = SHARES[regime]
    short = np.maximum(np.maximum(low - shares, shares - high), 0) + 20 * np.maximum(margin - 0.999 * room, 0)
    short = np.where(room > 1.02 * LEAST_MARGIN, short, np.inf)
    chosen = int(rng.choice(np.flatnonzero(short <= short.min() + 1e-12)))
    return float(nrmse[chosen] / (1 - min(margin, 0.999 * room[chosen]))), float(short[chosen])


def baseline_of(truth: Truth, kind: str, usual: int, rng: Rng) -> int | None:
    """The point that is the baseline: the usual one if it is of the kind, else a drawn one, or None."""
    best = truth.optimum
    assert best is not None  # the threshold was put over a point
    final, best_s = truth.nrmse[:, -1], float(truth.time_s[best])
    is_meant = _is_of_kind(truth, kind, final, best_s)
    if is_meant[usual]:
        return usual
    rows = np.flatnonzero(is_meant)
    return int(rng.choice(rows)) if rows.size else None


def _is_of_kind(truth: Truth, kind: str, final: Floats, best_s: float) -> Bools:
    if kind == "meets":
        return truth.is_feasible & truth.has_margin & (truth.time_s > MIN_SPEEDUP * best_s)
    is_near = (final >= truth.threshold) & (final <= (1 + MOST_MISSED) * truth.threshold)
    misses: Bools = truth.fits & is_near
    return misses & (truth.time_s < best_s) if kind == "misses_and_is_faster" else misses
