"""How probably a candidate would be the answer, were it to meet the target: nothing much faster does too.

Candidates hang together: where one is within the target, its neighbours probably are. So margins are drawn
for many candidates together. Without this a search certifies one slow candidate after the other, each a
little better than the last, while a much faster one is probable.

Reference: Russo, "Simple Bayesian Algorithms for Best-Arm Identification" (2016), section 3 (the probability
of being the best).
"""

from __future__ import annotations

import numpy as np

from tuner.search.beliefs import Beliefs
from tuner.search.models.kernel import Bools, Floats, Ints

WITHIN = 1.05
"""A candidate is as good as the fastest within this factor of its time."""

LEAST = 0.1
"""Standing of any candidate: the model may be wrong, and a slow answer soon is worth something too."""

MIN_PROMISE = 0.02
"""Probability of meeting the target of those whose margins are drawn."""

MAX_JOINT = 128
"""Candidates whose margins are drawn together, the fastest; their cube is the cost."""

NUM_DRAWS = 512
MIN_DRAWS = 8
"""Draws in which a candidate meets the target, below which it is judged by all draws."""


def standing(beliefs: Beliefs, limit_s: float) -> Floats:
    """Probability that no candidate that meets the target is faster by more than `WITHIN` (candidates,).

    Args:
        beliefs: About the candidates.
        limit_s: Seconds to beat; slower ones do not matter.
    """
    rows = _contenders(beliefs, limit_s)
    margins = beliefs.drawn_margins(rows, NUM_DRAWS) if len(rows) > 1 else None
    if margins is None:
        return np.ones(len(beliefs.time_s))
    meets = margins > 0
    fastest = np.where(meets, beliefs.time_s[rows], np.inf).min(axis=1)  # (draws,)
    found = _share_at_least(fastest, beliefs.time_s / WITHIN)
    group = beliefs.grid.quality_group
    column_of = dict(zip(group[rows].tolist(), range(len(rows)), strict=True))
    for row in np.flatnonzero(np.isin(group, group[rows])):
        mine: Bools = meets[:, column_of[int(group[row])]]
        if mine.sum() >= MIN_DRAWS:
            found[row] = np.mean(fastest[mine] >= beliefs.time_s[row] / WITHIN)
    return np.maximum(found, LEAST)


def _contenders(beliefs: Beliefs, limit_s: float) -> Ints:
    """The fastest candidate of every quality that may meet the target in less time, the fastest first."""
    group = beliefs.grid.quality_group
    order = np.argsort(beliefs.time_s / np.maximum(beliefs.fits, 1e-9), kind="stable")
    first = order[np.unique(group[order], return_index=True)[1]]
    promise = beliefs.feasible[first] * beliefs.fits[first]
    first = first[(promise > MIN_PROMISE) & (beliefs.time_s[first] < limit_s)]
    return first[np.argsort(beliefs.time_s[first], kind="stable")][:MAX_JOINT]


def _share_at_least(drawn: Floats, values: Floats) -> Floats:
    """Share of `drawn` (draws,) that is at least each of `values` (M,)."""
    found: Floats = 1.0 - np.searchsorted(np.sort(drawn), values, side="left") / len(drawn)
    return found
