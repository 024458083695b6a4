"""Synthetic runs of Gaussian processes and small grids of points, for the tests of this folder."""

import numpy as np

from tuner.search.models.gp import Runs
from tuner.search.models.gp_kernel import Prior, Settings, draw_settings

PRIOR = Prior(
    amplitude=(0.05, 0.5),
    length=(0.6, 0.4),
    interaction=(0.02, 0.4),
    noise=(0.01, 0.5),
    luck=(0.006, 0.5),
    own=(0.008, 0.5),
    level=0.5,
)


def some_runs(
    seed: int = 0, *, num_points: int = 7, num_axes: int = 2, num_runs: int = 15, num_seeds: int = 4
) -> Runs:
    """Runs at random points, some repeated, with error variances of their own; the last axis has 3 values."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(size=(num_points, num_axes))
    points[:, -1] = rng.integers(3, size=num_points)
    point = np.concatenate([np.arange(num_points), rng.integers(num_points, size=num_runs - num_points)])
    return Runs(
        points=points,
        point=point,
        seed=np.concatenate([np.arange(num_seeds), rng.integers(num_seeds, size=num_runs - num_seeds)]),
        value=0.05 * rng.standard_normal(num_runs),
        error_variance=np.where(rng.uniform(size=num_runs) < 0.3, 0.02**2, 0.0),
    )


def runs_of(points: np.ndarray, value: np.ndarray, seed: np.ndarray, error_variance: float = 0.0) -> Runs:
    """A run for each row of points, equal rows pooled."""
    distinct, point = np.unique(points, axis=0, return_inverse=True)
    return Runs(
        points=distinct,
        point=point.reshape(-1),
        seed=seed,
        value=value,
        error_variance=np.full(len(value), error_variance),
    )


def settings(num: int, num_axes: int = 2) -> Settings:
    return draw_settings(PRIOR, num_axes, num, 0)


ORDERED_AND_NOT = np.array([True, False])
