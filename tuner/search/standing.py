"""How probably a candidate would be the answer, were it to meet the target: nothing much better does too.

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
"""A candidate is as good as the best within this factor of its objective."""

LEAST = 0.1
"""Standing of any candidate: the model may be wrong, and a slow answer soon is worth something too."""

MIN_PROMISE = 0.02
"""Probability of meeting the target of those whose margins are drawn."""

MAX_JOINT = 128
"""Candidates whose margins are drawn together, the best; their cube is the cost."""

NUM_DRAWS = 512
MIN_DRAWS = 8
"""Draws in which a candidate meets the target, below which it is judged by all draws."""


def standing(beliefs: Beliefs, to_beat: float) -> Floats:
    """Probability that no candidate that meets the target is better by more than `WITHIN` (candidates,).

    Args:
        beliefs: About the candidates.
        to_beat: Of the study's objective; candidates beyond do not matter.
    """
    rows = _contenders(beliefs, to_beat)
    margins = beliefs.drawn_margins(rows, NUM_DRAWS) if len(rows) > 1 else None
    if margins is None:
        return np.ones(len(beliefs.objective))
    meets = margins > 0
    best = np.where(meets, beliefs.objective[rows], np.inf).min(axis=1)  # (draws,)
    found = _share_at_least(best, beliefs.objective / WITHIN)
    group = beliefs.grid.quality_group
    column_of = dict(zip(group[rows].tolist(), range(len(rows)), strict=True))
    for row in np.flatnonzero(np.isin(group, group[rows])):
        mine: Bools = meets[:, column_of[int(group[row])]]
        if mine.sum() >= MIN_DRAWS:
            found[row] = np.mean(best[mine] >= beliefs.objective[row] / WITHIN)
    return np.maximum(found, LEAST)


def _contenders(beliefs: Beliefs, to_beat: float) -> Ints:
    """The best candidate of every quality that may meet the target and beat that, the best first."""
    group = beliefs.grid.quality_group
    order = np.argsort(beliefs.objective / np.maximum(beliefs.fits, 1e-9), kind="stable")
    first = order[np.unique(group[order], return_index=True)[1]]
    promise = beliefs.feasible[first] * beliefs.fits[first]
    first = first[(promise > MIN_PROMISE) & (beliefs.objective[first] < to_beat)]
    return first[np.argsort(beliefs.objective[first], kind="stable")][:MAX_JOINT]


def _share_at_least(drawn: Floats, values: Floats) -> Floats:
    """Share of `drawn` (draws,) that is at least each of `values` (M,)."""
    found: Floats = 1.0 - np.searchsorted(np.sort(drawn), values, side="left") / len(drawn)
    return found
