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
from scipy.linalg import solve_triangular

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

BLOCK = 1024
"""Points asked about whose variance is worked out at a time."""


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
        diagonal: diag(Lambda 1), and what the seeds of one point add (P, N).
        shared: Lambda sqrt(D) of the seeds that several points share (P, N, S).
        weight: Precision times values, of f (P, N).
        likelihood: The part of twice the negative log likelihood that f has no part in (P,).
    """

    def __init__(self, settings: Settings, runs: Runs) -> None:
        cells, n = runs.cells, len(runs.points)
        self._cells, self._num_points = cells, n
        variance = settings.noise[:, None] ** 2 + runs.error_variance  # (P, R)
        inverse = 1.0 / variance[:, cells.order]
        self._precisions: Floats = np.add.reduceat(inverse, cells.starts, axis=1)  # (P, C)
        self._values: Floats = np.add.reduceat(inverse * runs.value[cells.order], cells.starts, axis=1)
        self._luck: Floats = settings.luck[:, None] ** 2 + JITTER
        lowered = np.where(cells.is_shared, 1.0, 1.0 + self._luck * self._precisions)
        self.diagonal: Floats = _summed(self._precisions / lowered, cells.point, n)
        self.weight: Floats = _summed(self._values / lowered, cells.point, n)
        self.likelihood: Floats = (runs.value**2 / variance + np.log(variance)).sum(axis=1)
        alone = ~cells.is_shared
        self.likelihood += (np.log(lowered) - self._values**2 * self._luck / lowered * alone).sum(axis=1)
        precisions, values = self._tables()
        of_seed, sums = precisions.sum(axis=1), values.sum(axis=1)
        left = self._luck / (1.0 + self._luck * of_seed)
        self.shared: Floats = precisions * np.sqrt(left)[:, None, :]
        self.weight -= (precisions @ (left * sums)[..., None])[..., 0]
        self.likelihood += (np.log1p(self._luck * of_seed) - sums**2 * left).sum(axis=1)

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

    @property
    def beyond_diagonal(self) -> tuple[Floats, Floats]:
        """By how much the inverse of the precision matrix exceeds that of its diagonal, and what it shrinks.

        Returns:
            The difference, in units of the diagonal's inverse (P, N, N), and the logarithm of the matrix's
            determinant over the diagonal's (P,).
        """
        scaled = self.shared / np.sqrt(self.diagonal)[..., None]
        turned = scaled.transpose(0, 2, 1)
        if scaled.shape[2] < scaled.shape[1]:  # Woodbury
            inner = np.eye(scaled.shape[2]) - turned @ scaled
            return scaled @ np.linalg.solve(inner, turned), np.linalg.slogdet(inner)[1]
        outer = np.eye(scaled.shape[1]) - scaled @ turned
        return np.linalg.inv(outer) - np.eye(scaled.shape[1]), np.linalg.slogdet(outer)[1]


def _summed(values: Floats, where: Ints, num: int) -> Floats:
    """Values (P, C) summed by their index below `num` (P, num)."""
    found: Floats = np.zeros((len(values), num))
    np.add.at(found.T, where, values.T)
    return found


def log_likelihood(settings: Settings, runs: Runs, apart: Distances) -> Floats:
    """Computes the runs' log likelihood per setting, up to a constant (P,).

    In units of the diagonal's precision, the points' pooled values u have the covariance A = 1 + kernel +
    what seeds share. One factorisation of A bordered by u gives both det A and u^T A^-1 u.

    Args:
        settings: Settings of the kernel.
        runs: The data.
        apart: Distances within the points; see `distances_within`.
    """
    pooled, n = Pooled(settings, runs), len(runs.points)
    scale = np.sqrt(pooled.diagonal)
    bordered: Floats = np.zeros((len(settings), n + 1, n + 1))  # below the diagonal; the rest is not read
    below, before = np.tril_indices(n)
    bordered[:, below, before] = covariance(settings, apart)
    bordered[:, :n, :n] *= scale[:, :, None]
    bordered[:, :n, :n] *= scale[:, None, :]
    looks, beyond, shared = _whitened(pooled)
    bordered[:, :n, :n] += beyond
    twice = shared - pooled.likelihood
    size = (looks**2).sum(axis=1)
    rows = np.arange(n)
    bordered[:, rows, rows] += 1.0
    bordered[:, n, :n], bordered[:, n, n] = looks, size + 1.0
    diagonal = np.diagonal(np.linalg.cholesky(bordered), axis1=1, axis2=2)
    twice += diagonal[:, n] ** 2 - 1.0 - 2.0 * np.log(diagonal[:, :n]).sum(axis=1)
    return 0.5 * twice


def _whitened(pooled: Pooled) -> tuple[Floats, Floats, Floats]:
    """The points' pooled values in units of the diagonal's precision, and what seeds shared by points add.

    Returns:
        The values (P, N); their covariance beyond 1 and that of the latent function (P, N, N); and what the
        seeds add to twice the log likelihood of those values (P,).
    """
    looks = pooled.weight / np.sqrt(pooled.diagonal)
    if not pooled.shared.shape[2]:
        return looks, np.zeros((len(looks), 1, 1)), np.zeros(len(looks))
    beyond, log_determinant = pooled.beyond_diagonal
    further = (beyond @ looks[..., None])[..., 0]
    looks = looks + further
    return looks, beyond, -(looks * further).sum(axis=1) - log_determinant


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
        self._scale = np.sqrt(self.pooled.diagonal)
        looks, beyond, _ = _whitened(self.pooled)
        self._system: Floats = self.prior * self._scale[:, :, None] * self._scale[:, None, :] + beyond
        rows = np.arange(len(self.points))
        self._system[:, rows, rows] += 1.0
        inverse = np.asarray(np.linalg.inv(self._system), dtype=np.float64)
        self.weights: Floats = self._scale * (inverse @ looks[..., None])[..., 0]
        self.gain: Floats = inverse * self._scale[:, :, None] * self._scale[:, None, :]

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

    def reduction(self, cross: Floats) -> Floats:
        """By how much the runs reduce the variance at M points, of the kernel the other way round (P, N, M).

        For many points half the work of `explained`.
        """
        found: Floats = np.empty((len(cross), cross.shape[2]))
        for p, root in enumerate(np.linalg.cholesky(self._system)):
            for first in range(0, cross.shape[2], BLOCK):
                block = slice(first, first + BLOCK)
                scaled = self._scale[p, :, None] * cross[p, :, block]
                solved = solve_triangular(root, scaled, lower=True, overwrite_b=True, check_finite=False)
                found[p, block] = (solved**2).sum(axis=0)
        return found

    def _mean(self, cross: Floats) -> Floats:
        mean: Floats = (cross @ self.weights[..., None])[..., 0]
        return mean


def explained(cross: Floats, gain: Floats) -> Floats:
    """Computes by how much the runs reduce the variance at the points (P, M)."""
    found: Floats = np.einsum("pmi,pmi->pm", cross @ gain, cross)
    return found
