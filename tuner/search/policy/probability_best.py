"""Computes how probably a candidate would be the answer if it met the target: nothing much better does.

Candidates hang together: where one is within the target, its neighbours probably are. So margins are drawn
for many candidates together. Without this a search certifies one slow candidate after the other, each a
little better than the last, while a much faster one is probable.

Reference: Russo, "Simple Bayesian Algorithms for Best-Arm Identification" (2016), section 3 (the probability
of being the best).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from foundation.arrays import Bools, Floats, Ints
from tuner.search.policy.admission import accepted_error
from tuner.search.predictions import Predictions

WITHIN = 1.05
"""A candidate is as good as the best within this factor of its objective."""

LEAST = 0.1
"""Least probability of being the best that a candidate is given.

The model may be wrong, and a slow answer soon is worth something too.
"""

MIN_PROMISE = 0.02
"""Probability of meeting the target of those whose margins are drawn."""

MAX_JOINT = 128
"""Candidates whose margins are drawn together, the best; their cube is the cost."""

NUM_RUNS = 12
"""Runs within which a margin must show: what hardly meets the target takes more, and nothing waits for it."""

NUM_DRAWS = 512
MIN_DRAWS = 8
"""Draws in which a candidate meets the target, below which it is judged by all draws."""


def probability_best(predictions: Predictions, to_beat: float) -> Floats:
    """Probability that no candidate that can be shown to meet the target is better by more than `WITHIN`.

    Args:
        predictions: About the candidates.
        to_beat: Value of the study's objective to beat; candidates beyond do not matter.

    Returns:
        The probability for every candidate (candidates,).
    """
    rows = _contenders(predictions, to_beat)
    margins = predictions.drawn_margins(rows, NUM_DRAWS) if len(rows) > 1 else None
    if margins is None or predictions.margins is None:
        return np.ones(len(predictions.objective))
    noise = float(np.sqrt(predictions.margins.noise_variance.mean()))
    meets = margins > ndtri(1 - accepted_error(predictions.problem)) * noise / NUM_RUNS**0.5
    best = np.where(meets, predictions.objective[rows], np.inf).min(axis=1)  # (draws,)
    found = _share_at_least(best, predictions.objective / WITHIN)
    group = predictions.candidates.quality_group
    order, ends = np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))
    for column, of in enumerate(group[rows]):
        mine: Bools = meets[:, column]
        if mine.sum() >= MIN_DRAWS:
            alike = order[ends[of - 1] if of else 0 : ends[of]]
            found[alike] = _share_at_least(best[mine], predictions.objective[alike] / WITHIN)
    return np.maximum(found, LEAST)


def _contenders(predictions: Predictions, to_beat: float) -> Ints:
    """The best candidate of every quality that may meet the target and beat that, the best first."""
    group = predictions.candidates.quality_group
    order = np.argsort(predictions.objective / np.maximum(predictions.fits, 1e-9), kind="stable")
    first = order[np.unique(group[order], return_index=True)[1]]
    promise = predictions.feasible[first] * predictions.fits[first]
    first = first[(promise > MIN_PROMISE) & (predictions.objective[first] < to_beat)]
    return first[np.argsort(predictions.objective[first], kind="stable")][:MAX_JOINT]


def _share_at_least(drawn: Floats, values: Floats) -> Floats:
    """Returns the share of `drawn` (draws,) that is at least each of `values` (M,)."""
    num_below = np.searchsorted(np.sort(drawn), values, side="left")
    found: Floats = (len(drawn) - num_below) / len(drawn)
    return found
