"""Gaussian-process regression with an additive kernel and pooled observations, for many settings at once.

The latent function is f(x) = m + sum_t f_t(x_t) + g(x): one smooth term for every axis, and a small one
in which all axes interact. Observations of one point with one seed are pooled by precision, so that cost
grows with distinct points, not with runs. A seed's luck, shared by all points, is a latent of its own.

Everything is a function of its arguments: settings are drawn by a generator with a fixed seed, weighed by
the marginal likelihood of the data, and averaged over.

Shape legend: P settings (particles), N points observed, S seeds, M points asked about, A axes, R runs.
References: Duvenaud, Nickisch, Rasmussen, "Additive Gaussian Processes" (2011); Rasmussen & Williams,
"Gaussian Processes for Machine Learning" (2006), section 2.2 and equation 5.8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

JITTER = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is assumed of the settings before any data; all figures in the unit of the observations.

    Log-normal, as (median, standard deviation of the logarithm).

    Attributes:
        amplitude: Of the term of one axis.
        length: Scale of a term, in units of its axis.
        interaction: Amplitude of the term in which all axes interact.
        noise: Standard deviation of a run.
        luck: Standard deviation of what a seed adds to all points alike; median 0 means no such thing.
        level: Standard deviation of the constant m.
    """

    amplitude: tuple[float, float]
    length: tuple[float, float]
    interaction: tuple[float, float]
    noise: tuple[float, float]
    luck: tuple[float, float] = (0.0, 0.0)
    level: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """P settings of the kernel, each a row: amplitudes and lengths (P, A), the rest (P,)."""

    amplitude: Floats
    length: Floats
    interaction: Floats
    noise: Floats
    luck: Floats
    level: float

    def __len__(self) -> int:
        return len(self.noise)

    def take(self, rows: Ints) -> Settings:
        """Some of them, in that order."""
        return Settings(
            amplitude=self.amplitude[rows],
            length=self.length[rows],
            interaction=self.interaction[rows],
            noise=self.noise[rows],
            luck=self.luck[rows],
            level=self.level,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """R runs of N points with S seeds.

    Attributes:
        points: The distinct points (N, A).
        point: Of each run (R,).
        seed: Of each run, from 0 (R,).
        value: Observed, less a rough level (R,).
        error_variance: What is known to be added to the noise of a run (R,).
    """

    points: Floats
    point: Ints
    seed: Ints
    value: Floats
    error_variance: Floats

    @property
    def num_seeds(self) -> int:
        """Seeds, one more than the highest."""
        return int(self.seed.max()) + 1 if self.seed.size else 0


def draw_settings(prior: Prior, num_axes: int, num_settings: int, seed: int) -> Settings:
    """Settings drawn from the prior; the first is its median."""
    rng = np.random.default_rng(seed)

    def lognormal(of: tuple[float, float], *shape: int) -> Floats:
        draw = rng.standard_normal((num_settings, *shape))
        draw[0] = 0.0
        return of[0] * np.exp(of[1] * draw)

    return Settings(
        amplitude=lognormal(prior.amplitude, num_axes),
        length=lognormal(prior.length, num_axes),
        interaction=lognormal(prior.interaction),
        noise=lognormal(prior.noise),
        luck=lognormal(prior.luck),
        level=prior.level,
    )


def distances(a: Floats, b: Floats, is_ordered: Bools) -> Floats:
    """|a - b| along each axis, shape (A, len(a), len(b)); along an unordered one 0 or 3, which is far."""
    apart = np.abs(a.T[:, :, None] - b.T[:, None, :])
    apart[~is_ordered] = np.where(apart[~is_ordered] > 0, 3.0, 0.0)
    return apart


def covariance(settings: Settings, apart: Floats) -> Floats:
    """The kernel (P, ., .) at `distances` (A, ., .): Matern 5/2 terms, their sum and their product."""
    total = np.full((len(settings), *apart.shape[1:]), settings.level**2)
    product = np.ones_like(total)
    for axis, distance in enumerate(apart):
        scaled = (5**0.5 / settings.length[:, axis])[:, None, None] * distance
        term = (1.0 + scaled + scaled * scaled / 3.0) * np.exp(-scaled)
        product *= term
        total += (settings.amplitude[:, axis] ** 2)[:, None, None] * term
    total += (settings.interaction**2)[:, None, None] * product
    return total


def point_variance(settings: Settings) -> Floats:
    """The kernel of a point with itself (P,)."""
    variance: Floats = settings.level**2 + (settings.amplitude**2).sum(axis=1) + settings.interaction**2
    return variance


class Posterior:
    """The latent function given runs, under each of P settings.

    Args:
        settings: Of the kernel.
        runs: The data, R >= 1.
        is_ordered: By axis.
    """

    def __init__(self, settings: Settings, runs: Runs, is_ordered: Bools) -> None:
        self.settings, self._runs, self._is_ordered = settings, runs, is_ordered
        n, s = len(runs.points), runs.num_seeds
        variance = settings.noise[:, None] ** 2 + runs.error_variance  # (P, R)
        precision, weight = _information(runs, variance, n, s)  # (P, n + s, n + s), (P, n + s)
        prior = np.zeros_like(precision)
        prior[:, :n, :n] = covariance(settings, distances(runs.points, runs.points, is_ordered))
        seeds = np.arange(n, n + s)
        prior[:, seeds, seeds] = settings.luck[:, None] ** 2 + JITTER
        system = np.eye(n + s) + precision @ prior
        solved = np.linalg.solve(system, np.concatenate([weight[..., None], precision], axis=-1))
        self._mean_weights = solved[..., 0]  # (P, n + s): mean of a latent is its prior covariance times this
        self._gain = solved[:, :n, 1 : n + 1]  # (P, n, n)
        fitted = np.einsum("pi,pij,pj->p", self._mean_weights, prior, weight)
        self.log_likelihood: Floats = -0.5 * (
            (runs.value**2 / variance).sum(axis=1)
            - fitted
            + np.log(variance).sum(axis=1)
            + np.linalg.slogdet(system)[1]
        )

    def at(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of the latent function, each (P, M)."""
        cross = self._cross(points)
        variance = point_variance(self.settings)[:, None] - np.einsum(
            "pmi,pmi->pm", cross @ self._gain, cross
        )
        return self._mean(cross), np.maximum(variance, JITTER)

    def contrast(self, points: Floats, other: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of f(point) - f(other), each (P, M); `other` is one point (A,)."""
        cross, one = self._cross(points), self._cross(other[None])
        between = covariance(self.settings, distances(points, other[None], self._is_ordered))[..., 0]
        differences = cross - one
        prior = 2.0 * (point_variance(self.settings)[:, None] - between)
        explained = np.einsum("pmi,pmi->pm", differences @ self._gain, differences)
        return self._mean(differences), np.maximum(prior - explained, JITTER)

    def _cross(self, points: Floats) -> Floats:
        return covariance(self.settings, distances(points, self._runs.points, self._is_ordered))

    def _mean(self, cross: Floats) -> Floats:
        mean: Floats = np.einsum("pmi,pi->pm", cross, self._mean_weights[:, : cross.shape[2]])
        return mean


def _information(runs: Runs, variance: Floats, n: int, s: int) -> tuple[Floats, Floats]:
    """Pooled precision (P, n + s, n + s) and precision-weighted values (P, n + s) of the latents."""
    size = n + s
    where = np.stack([runs.point, n + runs.seed])  # the two latents of each run
    precision = np.zeros((len(variance), size, size))
    weight = np.zeros((len(variance), size))
    for p, inverse in enumerate(1.0 / variance):
        for a in where:
            weight[p] += np.bincount(a, inverse * runs.value, minlength=size)
            for b in where:
                flat = np.bincount(a * size + b, inverse, minlength=size * size)
                precision[p] += flat.reshape(size, size)
    return precision, weight
