"""Computes by how much a value may be expected to beat the best, for a function otherwise unknown.

For spaces without a target, a baseline and a law of time: the same additive regression as `quality`'s, on
values brought to mean 0 and standard deviation 1.

Reference: Jones, Schonlau, Welch, "Efficient Global Optimization" (1998), equation 15; Knowles, "ParEGO"
(2006), equation 2, for several values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from foundation.arrays import Bools, Floats
from tuner.search.models.gp import Posterior, Runs
from tuner.search.models.gp_hyperparameters import infer_settings
from tuner.search.models.gp_kernel import Prior

PRIOR = Prior(
    amplitude=(0.5, 0.9),
    length=(0.4, 0.8),
    interaction=(0.5, 0.8),
    noise=(0.05, 1.0),
    level=1.0,
)
NUM_PARTICLES = 16

NUM_AT_RANDOM = 8
"""Values before the first judgement; until then points are chosen at random."""

MAX_SEEN = 150
"""Values learned from: the lowest and the newest, half each. The cost of more is their cube."""

AUGMENTATION = 0.05
"""Weight of the sum beside the largest (Knowles 2006, below equation 2)."""


def scalarised(values: Sequence[tuple[float, ...]], rng: np.random.Generator) -> Floats:
    """Combines several values into one by random weights, each scaled to [0, 1].

    Args:
        values: At least one, each of as many figures to minimise. An infinite one counts as the last finite.
        rng: Draws the weights.
    """
    table = np.array(values, dtype=np.float64)
    for column in table.T:
        finite = column[np.isfinite(column)]
        column[:] = np.clip(column, finite.min(), finite.max()) if finite.size else 0.0
    if table.shape[1] == 1:
        return np.asarray(table[:, 0])
    low, high = table.min(axis=0), table.max(axis=0)
    scaled = (table - low) / np.where(high > low, high - low, 1.0)
    weighted = rng.dirichlet(np.ones(table.shape[1])) * scaled
    found: Floats = weighted.max(axis=1) + AUGMENTATION * weighted.sum(axis=1)
    return found


def scores(
    points: Floats,
    is_ordered: Bools,
    seen: Floats,
    values: Sequence[tuple[float, ...]],
    pending: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Scores the points, the highest first to try: random until `NUM_AT_RANDOM` values are known (M,).

    See `scalarised` and `expected_improvement` for the arguments.
    """
    if len(values) < NUM_AT_RANDOM:
        return rng.uniform(size=len(points))
    return expected_improvement(points, is_ordered, seen, scalarised(values, rng), pending)


def expected_improvement(
    points: Floats, is_ordered: Bools, seen: Floats, values: Floats, pending: Floats
) -> Floats:
    """Computes the expected improvement in standard deviations of the values (M,).

    Args:
        points: Points at which it is computed (M, A).
        is_ordered: Whether each axis is ordered.
        seen: Points with a value, at least one (N, A).
        values: Values to minimise (N,).
        pending: Points whose value is awaited: taken to be as expected, so that it is no news (K, A).
    """
    seen, values = _most_telling(seen, values)
    z = (values - values.mean()) / (values.std() or 1.0)
    runs = Runs.at(seen, z)
    settings = infer_settings(PRIOR, runs, is_ordered, num_particles=NUM_PARTICLES)
    posterior = Posterior(settings, runs, is_ordered)
    best = posterior.at(runs.points)[0].min(axis=1, keepdims=True)
    if len(pending):
        expected = posterior.at(pending)[0].mean(axis=0)
        runs = Runs.at(np.vstack([seen, pending]), np.concatenate([z, expected]))
        posterior = Posterior(settings, runs, is_ordered)
    mean, variance = posterior.at(points)
    sd = np.sqrt(variance)
    found: Floats = (sd * improvement((best - mean) / sd)).mean(axis=0)
    return found


def improvement(lead: Floats) -> Floats:
    """Computes E[max(0, lead + z)] of a standard Gaussian z, for every lead."""
    density = np.exp(-0.5 * lead**2) / np.sqrt(2 * np.pi)
    found: Floats = np.maximum(lead * ndtr(lead) + density, 0.0)
    return found


def _most_telling(seen: Floats, values: Floats) -> tuple[Floats, Floats]:
    if len(values) <= MAX_SEEN:
        return seen, values
    older = np.arange(len(values) - MAX_SEEN // 2)
    lowest = older[np.argsort(values[older], kind="stable")[: MAX_SEEN // 2]]
    kept = np.concatenate([np.sort(lowest), np.arange(len(older), len(values))])
    return seen[kept], values[kept]
