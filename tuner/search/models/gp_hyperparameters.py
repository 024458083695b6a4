"""Samples the kernel's settings that the data make likely: a few particles, by Metropolis.

A function of the data alone: the same runs give the same particles, whatever was asked before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foundation.arrays import Bools, Floats
from tuner.search.models.gp import Runs, log_likelihood
from tuner.search.models.gp_kernel import Prior, Settings, distances_within, draw_settings

NUM_DRAWS = 64
NUM_STEPS = 6
STEP = 0.35
"""Standard deviation of a proposal, of the logarithm of each figure, relative to the prior's."""

MAX_LEARNING_POINTS = 48
"""Points the settings are learned from: more sharpen them little and cost their cube."""

MAX_KERNEL_ENTRIES = 4e6
MIN_PARTICLES = 2
"""Kernel entries of a prediction over all particles, and least particles; with many points, few will do."""


def affordable(num_particles: int, num_points: int, num_asked: int) -> int:
    """Particles, at most so many, that the points observed and asked about leave room for."""
    entries = max(1, num_points * max(num_points, num_asked))
    return int(min(num_particles, max(MIN_PARTICLES, MAX_KERNEL_ENTRIES // entries)))


def infer_settings(
    prior: Prior, runs: Runs, is_ordered: Bools, *, num_particles: int, seed: int = 0
) -> Settings:
    """Draws particles from the posterior of the settings, approximately.

    The prior's draws are resampled by likelihood, then each particle moves by Metropolis steps.
    """
    rng = np.random.default_rng([seed, 1])
    learning = _thinned(runs)
    apart = distances_within(learning.points, is_ordered)
    drawn = draw_settings(prior, runs.points.shape[1], NUM_DRAWS, seed)
    score = log_likelihood(drawn, learning, apart)
    rows = _resampled(score, num_particles)
    particles = drawn.take(rows)
    current = score[rows] + _log_prior(particles, prior)
    for _ in range(NUM_STEPS):
        proposal = _moved(particles, prior, rng)
        proposed = log_likelihood(proposal, learning, apart) + _log_prior(proposal, prior)
        taken = np.log(rng.uniform(size=num_particles)) < proposed - current
        particles = _merged(taken, proposal, particles)
        current = np.where(taken, proposed, current)
    return particles


def _thinned(runs: Runs) -> Runs:
    """The runs of at most `MAX_LEARNING_POINTS` points, spread over their coordinates."""
    num = len(runs.points)
    if num <= MAX_LEARNING_POINTS:
        return runs
    kept = np.unique(np.linspace(0, num - 1, MAX_LEARNING_POINTS).round().astype(int))
    new_index = np.full(num, -1)
    new_index[kept] = np.arange(len(kept))
    mask = new_index[runs.point] >= 0
    seeds, seed = np.unique(runs.seed[mask], return_inverse=True)
    del seeds
    return Runs(
        points=runs.points[kept],
        point=new_index[runs.point[mask]],
        seed=seed,
        value=runs.value[mask],
        error_variance=runs.error_variance[mask],
    )


def _resampled(score: Floats, num: int) -> np.ndarray:
    """Rows in proportion to exp(score), systematically."""
    weights = np.exp(score - score.max())
    cumulative = np.cumsum(weights / weights.sum())
    return np.minimum(np.searchsorted(cumulative, (np.arange(num) + 0.5) / num), len(score) - 1)


_FIELDS = ("amplitude", "length", "interaction", "noise", "luck", "own")


def _moved(settings: Settings, prior: Prior, rng: np.random.Generator) -> Settings:
    changed = {}
    for name in _FIELDS:
        values: Floats = getattr(settings, name)
        spread = STEP * getattr(prior, name)[1]
        changed[name] = values * np.exp(spread * rng.standard_normal(values.shape))
    return replace(settings, **changed)


def _log_prior(settings: Settings, prior: Prior) -> Floats:
    """Computes the log density of the logarithms of the figures, up to a constant (P,)."""
    total = np.zeros(len(settings))
    for name in _FIELDS:
        median, spread = getattr(prior, name)
        if median > 0:
            squares = (np.log(getattr(settings, name) / median) / spread) ** 2
            total -= 0.5 * squares.reshape(len(settings), -1).sum(axis=1)
    return total


def _merged(taken: Bools, new: Settings, old: Settings) -> Settings:
    changed = {}
    for name in _FIELDS:
        a, b = getattr(new, name), getattr(old, name)
        changed[name] = np.where(taken.reshape(-1, *[1] * (a.ndim - 1)), a, b)
    return replace(old, **changed)
