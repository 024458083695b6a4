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
from functools import cached_property

import numpy as np

from foundation.arrays import Bools, Floats, Ints
from tuner.search.models.gp_kernel import (
    JITTER,
    Coded,
    Distances,
    Points,
    Settings,
    coded,
    covariance,
    distances,
    distances_within,
    point_variance,
)


@dataclass(frozen=True, kw_only=True)
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

    @cached_property
    def cells(self) -> Cells:
        """The points with the seeds with which they ran."""
        return Cells.of(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The C pairs of a point and a seed with which it ran, and which of the seeds several points share.

    Attributes:
        order: The runs by their pair (R,).
        starts: First run of each pair, in that order (C,).
        point: Point of each pair (C,).
        seed: Seed of each pair (C,).
        is_shared: Whether the seed of a pair is in other pairs too (C,).
        shared: The seeds that several points share (S,).
        column: Index in `shared` of the seed of each pair that has such a one (shared pairs,).
    """

    order: Ints
    starts: Ints
    point: Ints
    seed: Ints
    is_shared: Bools
    shared: Ints
    column: Ints

    @classmethod
    def of(cls, runs: Runs) -> Cells:
        """Returns the pairs of the runs."""
        num_seeds = int(runs.seed.max()) + 1 if runs.seed.size else 0
        flat, where = np.unique(runs.point * num_seeds + runs.seed, return_inverse=True)
        order = np.argsort(where, kind="stable")
        point, seed = np.divmod(flat, num_seeds)
        is_shared = np.bincount(seed, minlength=num_seeds)[seed] > 1
        shared, column = np.unique(seed[is_shared], return_inverse=True)
        return cls(
            order=order,
            starts=np.searchsorted(where[order], np.arange(len(flat))),
            point=point,
            seed=seed,
            is_shared=is_shared,
            shared=shared,
            column=column,
        )


class Pooled:
    """Runs of each point with each seed pooled by precision, and the seeds' luck summed out.

    With precisions Lambda of (point, seed) and values y, f alone has the precision
    diag(Lambda 1) - Lambda D Lambda^T, where D_s = luck^2 / (1 + luck^2 sum of column s) is the variance that
    remains of a seed's luck once f is known (block elimination; exact). A seed of one point alone adds to the
    diagonal only.

    Attributes:
        is_diagonal: Whether no seed is shared by points.
        precision: Precision matrix of f (P, N, N), its diagonal alone if it has nothing else (P, N).
        weight: Precision times values, of f (P, N).
        likelihood: The part of twice the negative log likelihood that f has no part in (P,).
    """

    def __init__(self, settings: Settings, runs: Runs) -> None:
        cells = self._cells = runs.cells
        n = self._num_points = len(runs.points)
        variance = settings.noise[:, None] ** 2 + runs.error_variance  # (P, R)
        inverse = 1.0 / variance[:, cells.order]
        self._precisions: Floats = np.add.reduceat(inverse, cells.starts, axis=1)  # (P, C)
        self._values: Floats = np.add.reduceat(inverse * runs.value[cells.order], cells.starts, axis=1)
        self._luck: Floats = settings.luck[:, None] ** 2 + JITTER
        alone = ~cells.is_shared
        precisions, values = self._precisions[:, alone], self._values[:, alone]
        lowered = 1.0 + self._luck * precisions
        diagonal = _summed(precisions / lowered, cells.point[alone], n)
        self.weight: Floats = _summed(values / lowered, cells.point[alone], n)
        likelihood = (runs.value**2 / variance + np.log(variance)).sum(axis=1)
        likelihood += (np.log(lowered) - values**2 * self._luck / lowered).sum(axis=1)
        self.is_diagonal = not len(cells.shared)
        self.precision: Floats = diagonal
        if not self.is_diagonal:
            by_seed, sums = self._tables()
            of_seed = by_seed.sum(axis=1)
            left = self._luck / (1.0 + self._luck * of_seed)
            shared = by_seed * left[:, None, :]
            self.precision = -(shared @ by_seed.transpose(0, 2, 1))
            rows = np.arange(n)
            self.precision[:, rows, rows] += diagonal + by_seed.sum(axis=2)
            values = sums.sum(axis=1)
            self.weight = self.weight + sums.sum(axis=2) - (shared @ values[..., None])[..., 0]
            likelihood += (np.log1p(self._luck * of_seed) - values**2 * left).sum(axis=1)
        self.likelihood: Floats = likelihood

    def _tables(self) -> tuple[Floats, Floats]:
        """Precision and weighted value of each point with each shared seed, each (P, N, S)."""
        cells = self._cells
        shape = (len(self._luck), self._num_points, len(cells.shared))
        where = cells.point[cells.is_shared] * len(cells.shared) + cells.column
        found = []
        for of_cells in (self._precisions, self._values):
            table = np.zeros((shape[0], shape[1] * shape[2]))
            table[:, where] = of_cells[:, cells.is_shared]
            found.append(table.reshape(shape))
        return found[0], found[1]

    def of_seed(self, seed: int) -> tuple[Floats, Floats, Floats]:
        """Precision of each point with a seed (P, N), D of it (P,), and its weighted values (P,)."""
        mine = np.flatnonzero(self._cells.seed == seed)
        precisions: Floats = np.zeros((len(self._luck), self._num_points))
        precisions[:, self._cells.point[mine]] = self._precisions[:, mine]
        luck = self._luck[:, 0]
        return precisions, luck / (1.0 + luck * precisions.sum(axis=1)), self._values[:, mine].sum(axis=1)

    def times(self, prior: Floats) -> Floats:
        """The precision matrix times another (P, N, N)."""
        found: Floats = self.precision[..., None] * prior if self.is_diagonal else self.precision @ prior
        return found

    @property
    def matrix(self) -> Floats:
        """The precision matrix of f (P, N, N)."""
        return self.precision[..., None] * np.eye(self._num_points) if self.is_diagonal else self.precision


def _summed(values: Floats, where: Ints, num: int) -> Floats:
    """Values (P, C) summed by their index below `num` (P, num)."""
    found: Floats = np.zeros((len(values), num))
    np.add.at(found, (slice(None), where), values)
    return found


def log_likelihood(settings: Settings, runs: Runs, apart: Distances) -> Floats:
    """Computes the runs' log likelihood per setting, up to a constant (P,).

    With a root R of the precision, one factorisation of A = 1 + R^T K R bordered by u = R^-1 weight gives
    both det A and u^T A^-1 u.

    Args:
        settings: Settings of the kernel.
        runs: The data.
        apart: Distances within the points; see `distances_within`.
    """
    pooled, n = Pooled(settings, runs), len(runs.points)
    below = np.tril_indices(n)
    bordered: Floats = np.zeros((len(settings), n + 1, n + 1))
    if pooled.is_diagonal:
        root = np.sqrt(pooled.precision)
        bordered[:, below[0], below[1]] = covariance(settings, apart) * root[:, below[0]] * root[:, below[1]]
        looks = pooled.weight / root
    else:
        prior: Floats = np.zeros((len(settings), n, n))
        prior[:, below[0], below[1]] = prior[:, below[1], below[0]] = covariance(settings, apart)
        root = np.linalg.cholesky(pooled.precision)
        bordered[:, :n, :n] = root.transpose(0, 2, 1) @ prior @ root
        looks = np.linalg.solve(root, pooled.weight[..., None])[..., 0]
    rows = np.arange(n)
    bordered[:, rows, rows] += 1.0
    size = (looks**2).sum(axis=1)
    bordered[:, n, :n], bordered[:, n, n] = looks, size + 1.0
    diagonal = np.diagonal(np.linalg.cholesky(bordered), axis1=1, axis2=2)
    fitted = diagonal[:, n] ** 2 - 1.0
    found: Floats = -0.5 * (pooled.likelihood - fitted) - np.log(diagonal[:, :n]).sum(axis=1)
    return found


class Posterior:
    """The latent function given runs, under each of P settings.

    Args:
        settings: Settings of the kernel.
        runs: The data, R >= 1.
        is_ordered: Whether each axis is ordered.

    Attributes:
        settings: The settings, as given.
        points: The points of the runs.
        pooled: The runs.
        prior: The kernel between their points (P, N, N).
        weights: The mean anywhere is the kernel with the points times this (P, N).
        gain: The kernel from both sides times this is how much less is unknown (P, N, N).
    """

    def __init__(self, settings: Settings, runs: Runs, is_ordered: Bools) -> None:
        self.settings, self._runs, self._is_ordered = settings, runs, is_ordered
        self.points: Coded = coded(runs.points)
        self.pooled = Pooled(settings, runs)
        self.prior = covariance(settings, distances(self.points, self.points, is_ordered))
        system = np.eye(len(runs.points)) + self.pooled.times(self.prior)
        right = np.concatenate([self.pooled.weight[..., None], self.pooled.matrix], axis=-1)
        solved = np.linalg.solve(system, right)
        self.weights: Floats = solved[..., 0]
        self.gain: Floats = solved[..., 1:]

    @property
    def log_likelihood(self) -> Floats:
        """Computes the log likelihood of the runs, up to a constant (P,)."""
        return log_likelihood(self.settings, self._runs, distances_within(self.points, self._is_ordered))

    def at(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and variance of the latent function, each (P, M)."""
        return self.at_cross(self.cross(points))

    def at_cross(self, cross: Floats) -> tuple[Floats, Floats]:
        """The same as `at`, of points whose kernel with those of the runs is known; see `cross`."""
        variance = point_variance(self.settings)[:, None] - explained(cross, self.gain)
        return self._mean(cross), np.maximum(variance, JITTER)

    def joint(self, points: Points, cross: Floats | None = None) -> tuple[Floats, Floats]:
        """Mean (P, M) and covariance (P, M, M) of the latent function at several points together."""
        if cross is None:
            cross = self.cross(points)
        prior = covariance(self.settings, distances(points, points, self._is_ordered))
        return self._mean(cross), prior - cross @ self.gain @ cross.transpose(0, 2, 1)

    def contrast(self, points: Points, other: Floats, cross: Floats | None = None) -> tuple[Floats, Floats]:
        """Mean and variance of f(point) - f(other), each (P, M); `other` is one point (A,)."""
        if cross is None:
            cross = self.cross(points)
        between = covariance(self.settings, distances(points, other[None], self._is_ordered))[..., 0]
        differences = cross - self.cross(other[None])
        prior = 2.0 * (point_variance(self.settings)[:, None] - between)
        return self._mean(differences), np.maximum(prior - explained(differences, self.gain), JITTER)

    def cross(self, points: Points) -> Floats:
        """The kernel between points and those of the runs (P, M, N)."""
        return covariance(self.settings, distances(points, self.points, self._is_ordered))

    def _mean(self, cross: Floats) -> Floats:
        mean: Floats = (cross @ self.weights[..., None])[..., 0]
        return mean


def explained(cross: Floats, gain: Floats) -> Floats:
    """Computes by how much the runs reduce the variance at the points (P, M)."""
    found: Floats = np.einsum("pmi,pmi->pm", cross @ gain, cross)
    return found
