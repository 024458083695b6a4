"""Gaussian-process regression with an additive kernel and pooled observations, for many settings at once.

The latent function is f(x) = m + sum_t f_t(x_t) + g(x) + h(x): one smooth term for every axis, a small one in
which all axes interact, and one that no two points share. Observations of one point are pooled by
precision, so that cost grows with distinct points, not with runs. A seed's luck, shared by all points, is a
latent of its own; seeds are independent given f, so that they are summed out first and however many of them
cost next to nothing.

Everything is a function of its arguments: settings are drawn by a generator with a fixed seed, weighed by
the marginal likelihood of the data, and averaged over.

Shape legend: P settings (particles), N points observed, S seeds, M points asked about, A axes, R runs.
References: Duvenaud, Nickisch, Rasmussen, "Additive Gaussian Processes" (2011); Rasmussen & Williams,
"Gaussian Processes for Machine Learning" (2006), section 2.2 and equation 5.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foundation.arrays import Bools, Floats, Ints
from tuner.search.models.gp_kernel import JITTER, Distances, Settings, covariance, distances, point_variance


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """R runs of N points with S seeds.

    Attributes:
        points: The distinct points (N, A).
        point: Point of each run (R,).
        seed: Seed of each run, from 0 (R,).
        value: Observed, less a rough level (R,).
        error_variance: Variance known to be added to the noise of a run (R,).
    """

    points: Floats
    point: Ints
    seed: Ints
    value: Floats
    error_variance: Floats

    @classmethod
    def at(
        cls,
        points: Floats,
        value: Floats,
        *,
        seeds: Sequence[int] | None = None,
        error_variance: Floats | None = None,
    ) -> Runs:
        """Runs at points (R, A) that may repeat.

        Args:
            points: Point of each run.
            value: Value of each run.
            seeds: Names of the runs' seeds; all alike if not given.
            error_variance: Variance known to be added to each run's noise; none if not given.
        """
        num = len(value)
        distinct, point = np.unique(points, axis=0, return_inverse=True)
        return cls(
            points=distinct,
            point=point.reshape(-1),
            seed=np.unique([0] * num if seeds is None else list(seeds), return_inverse=True)[1],
            value=value,
            error_variance=np.zeros(num) if error_variance is None else error_variance,
        )

    @property
    def num_seeds(self) -> int:
        """Seeds, one more than the highest."""
        return int(self.seed.max()) + 1 if self.seed.size else 0


class Pooled:
    """Runs of each point with each seed pooled by precision, and the seeds' luck summed out.

    With precisions Lambda of (point, seed) and values y, f alone has the precision
    diag(Lambda 1) - Lambda D Lambda^T, where D_s = luck^2 / (1 + luck^2 sum of column s) is the variance that
    remains of a seed's luck once f is known (block elimination; exact).

    Attributes:
        cells: Precision of each point with each seed (P, N, S).
        sums: Precision-weighted values of each seed (P, S).
        left: D, above (P, S).
        precision: Precision matrix of f (P, N, N).
        weight: Precision times values, of f (P, N).
        likelihood: The part of twice the negative log likelihood that f has no part in (P,).
    """

    def __init__(self, settings: Settings, runs: Runs) -> None:
        n, s = len(runs.points), runs.num_seeds
        variance = settings.noise[:, None] ** 2 + runs.error_variance  # (P, R)
        flat, where = np.unique(runs.point * s + runs.seed, return_inverse=True)
        order = np.argsort(where, kind="stable")
        starts = np.searchsorted(where[order], np.arange(len(flat)))
        inverse = 1.0 / variance[:, order]
        num = len(settings)
        self.cells: Floats = np.zeros((num, n, s))
        self.cells.reshape(num, n * s)[:, flat] = np.add.reduceat(inverse, starts, axis=1)
        values = np.zeros((num, n, s))
        values.reshape(num, n * s)[:, flat] = np.add.reduceat(inverse * runs.value[order], starts, axis=1)
        luck = settings.luck[:, None] ** 2 + JITTER
        of_seed = self.cells.sum(axis=1)
        self.left: Floats = luck / (1.0 + luck * of_seed)
        self.sums: Floats = values.sum(axis=1)
        shared = self.cells * self.left[:, None, :]
        self.precision: Floats = -(shared @ self.cells.transpose(0, 2, 1))
        diagonal = np.arange(n)
        self.precision[:, diagonal, diagonal] += self.cells.sum(axis=2)
        self.weight: Floats = values.sum(axis=2) - (shared @ self.sums[..., None])[..., 0]
        self.likelihood: Floats = (
            (runs.value**2 / variance + np.log(variance)).sum(axis=1)
            - (self.sums**2 * self.left).sum(axis=1)
            + np.log1p(luck * of_seed).sum(axis=1)
        )


def log_likelihood(settings: Settings, runs: Runs, apart: Distances) -> Floats:
    """Computes the runs' log likelihood per setting, up to a constant (P,); `apart` is between points."""
    pooled, prior = Pooled(settings, runs), covariance(settings, apart)
    system: Floats = np.eye(len(runs.points)) + pooled.precision @ prior
    weights = np.asarray(np.linalg.solve(system, pooled.weight[..., None])[..., 0], dtype=np.float64)
    return _log_likelihood(pooled, prior, weights, system)


def _log_likelihood(pooled: Pooled, prior: Floats, weights: Floats, system: Floats) -> Floats:
    fitted = np.einsum("pi,pi->p", weights, (prior @ pooled.weight[..., None])[..., 0])
    found: Floats = -0.5 * (pooled.likelihood - fitted + np.linalg.slogdet(system)[1])
    return found


class Posterior:
    """The latent function given runs, under each of P settings.

    Args:
        settings: Settings of the kernel.
        runs: The data, R >= 1.
        is_ordered: Whether each axis is ordered.

    Attributes:
        settings: The settings, as given.
        pooled: The runs.
        prior: The kernel between their points (P, N, N).
        weights: The mean anywhere is the kernel with the points times this (P, N).
        gain: The kernel from both sides times this is how much less is unknown (P, N, N).
    """

    def __init__(self, settings: Settings, runs: Runs, is_ordered: Bools) -> None:
        self.settings, self._runs, self._is_ordered = settings, runs, is_ordered
        self.pooled = Pooled(settings, runs)
        self.prior = covariance(settings, distances(runs.points, runs.points, is_ordered))
        self._system = np.eye(len(runs.points)) + self.pooled.precision @ self.prior
        right = np.concatenate([self.pooled.weight[..., None], self.pooled.precision], axis=-1)
        solved = np.linalg.solve(self._system, right)
        self.weights: Floats = solved[..., 0]
        self.gain: Floats = solved[..., 1:]

    @property
    def log_likelihood(self) -> Floats:
        """Computes the log likelihood of the runs, up to a constant (P,)."""
        return _log_likelihood(self.pooled, self.prior, self.weights, self._system)

    def at(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of the latent function, each (P, M)."""
        cross = self.cross(points)
        variance = point_variance(self.settings)[:, None] - explained(cross, self.gain)
        return self._mean(cross), np.maximum(variance, JITTER)

    def joint(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean (P, M) and covariance (P, M, M) of the latent function at several points together."""
        cross = self.cross(points)
        prior = covariance(self.settings, distances(points, points, self._is_ordered))
        return self._mean(cross), prior - cross @ self.gain @ cross.transpose(0, 2, 1)

    def contrast(self, points: Floats, other: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of f(point) - f(other), each (P, M); `other` is one point (A,)."""
        cross, one = self.cross(points), self.cross(other[None])
        between = covariance(self.settings, distances(points, other[None], self._is_ordered))[..., 0]
        differences = cross - one
        prior = 2.0 * (point_variance(self.settings)[:, None] - between)
        return self._mean(differences), np.maximum(prior - explained(differences, self.gain), JITTER)

    def cross(self, points: Floats) -> Floats:
        """The kernel between points and those of the runs (P, M, N)."""
        return covariance(self.settings, distances(points, self._runs.points, self._is_ordered))

    def _mean(self, cross: Floats) -> Floats:
        mean: Floats = (cross @ self.weights[..., None])[..., 0]
        return mean


def explained(cross: Floats, gain: Floats) -> Floats:
    """Computes by how much the runs reduce the variance at the points (P, M)."""
    found: Floats = np.einsum("pmi,pmi->pm", cross @ gain, cross)
    return found
