"""A posterior at fixed points that takes runs one at a time, each as one more rank.

The same as a `Posterior` of all the runs with the same settings, but for rounding: a run is an observation
q^T f + noise, where q is its point less what is known of its seed's luck by the other points with that seed.
With N points observed and M asked about, a run costs N^2 + N M instead of N^3 + N^2 M.

Shape legend: P settings, N points observed, M points asked about, A axes.
Reference: Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006), section A.3 (rank one).
"""

from __future__ import annotations

from copy import copy

import numpy as np

from foundation.arrays import Bools, Floats
from tuner.search.models.gp import Posterior, Runs
from tuner.search.models.gp_kernel import JITTER, Points, Settings, coded, covariance, distances, point_variance


class Field:
    """The latent function at fixed points, given runs.

    Args:
        settings: Settings of the kernel.
        runs: Known from the start, R >= 1.
        seeds: Names of the runs' seeds.
        is_ordered: Whether each axis is ordered.
        asked: Points asked about (M, A).
        reference: Index in `asked` of the point that `contrast` compares with.
    """

    def __init__(
        self,
        settings: Settings,
        runs: Runs,
        seeds: np.ndarray,
        is_ordered: Bools,
        asked: Points,
        reference: int = 0,
    ) -> None:
        posterior = Posterior(settings, runs, is_ordered)
        self.settings, self._is_ordered = settings, is_ordered
        self._asked, self._reference = coded(asked), reference
        self._rows = {tuple(point): row for row, point in enumerate(runs.points.tolist())}
        self._points: Floats = runs.points
        self._pooled, self._column = posterior.pooled, {label: k for k, label in enumerate(seeds.tolist())}
        self._prior, self._gain, self._weights = posterior.prior, posterior.gain, posterior.weights
        self._cells: dict[int, Floats] = {}
        self._left: dict[int, Floats] = {}
        self._sums: dict[int, Floats] = {}
        self._cross = np.ascontiguousarray(posterior.cross(self._asked).transpose(0, 2, 1))  # (P, N, M)
        by_gain = self._gain @ self._cross
        self._mean = (self._weights[:, None] @ self._cross)[:, 0]
        self._explained = np.einsum("pnm,pnm->pm", by_gain, self._cross)
        self._explained_contrast = (
            self._explained
            + self._explained[:, [reference]]
            - 2.0 * (self._cross[:, :, reference][:, None] @ by_gain)[:, 0]
        )

    def copy(self) -> Field:
        """Returns a copy that takes further runs without changing this one."""
        other = copy(self)
        other._rows, other._gain = dict(self._rows), self._gain.copy()
        other._cells, other._left, other._sums = dict(self._cells), dict(self._left), dict(self._sums)
        return other

    def add(self, point: Floats, seed: int, value: float, error_variance: float = 0.0) -> None:
        """Takes a run: see `Runs`."""
        row = self._row_of(point)
        cells, left, sums = self._of_seed(seed)
        precision = 1.0 / (self.settings.noise**2 + error_variance)  # (P,)
        looks = -left[:, None] * cells  # q, of which the run is a noisy sight (P, N)
        looks[:, row] += 1.0
        seen = (self._prior @ looks[..., None])[..., 0]
        news = looks - (self._gain @ seen[..., None])[..., 0]
        variance = (seen * news).sum(axis=1) + 1.0 / precision + left
        surprise = (value - left * sums - (self._weights * seen).sum(axis=1)) / variance
        for p, new in enumerate(news):
            self._gain[p] += np.outer(new / variance[p], new)
        self._weights = self._weights + surprise[:, None] * news
        moved = (news[:, None] @ self._cross)[:, 0]  # (P, M)
        self._mean = self._mean + surprise[:, None] * moved
        self._explained = self._explained + moved**2 / variance[:, None]
        against = moved - moved[:, [self._reference]]
        self._explained_contrast = self._explained_contrast + against**2 / variance[:, None]
        cells = cells.copy()
        cells[:, row] += precision
        self._cells[seed] = cells
        self._left[seed] = left / (1.0 + left * precision)
        self._sums[seed] = sums + precision * value

    @property
    def mean(self) -> Floats:
        """Mean of the latent function at the points asked about (P, M)."""
        return self._mean

    @property
    def variance(self) -> Floats:
        """Variance of the latent function at the points asked about (P, M)."""
        found: Floats = np.maximum(point_variance(self.settings)[:, None] - self._explained, JITTER)
        return found

    @property
    def contrast(self) -> tuple[Floats, Floats]:
        """Mean and variance of f(point) - f(reference), each (P, M)."""
        one = self._asked.take(np.array([self._reference]))
        between = covariance(self.settings, distances(self._asked, one, self._is_ordered))[..., 0]
        prior = 2.0 * (point_variance(self.settings)[:, None] - between)
        mean = self._mean - self._mean[:, [self._reference]]
        return mean, np.maximum(prior - self._explained_contrast, JITTER)

    def joint(self, rows: np.ndarray) -> tuple[Floats, Floats]:
        """Mean (P, m) and covariance (P, m, m) at some of the points asked about, together."""
        points, cross = self._asked.take(rows), self._cross[:, :, rows]
        prior = covariance(self.settings, distances(points, points, self._is_ordered))
        return self._mean[:, rows], prior - cross.transpose(0, 2, 1) @ self._gain @ cross

    def row(self, point: Floats) -> int:
        """Returns the index of an observed point.

        Raises:
            KeyError: The point was never observed.
        """
        return self._rows[tuple(point.tolist())]

    def mean_given(self, values: Floats) -> Floats:
        """The mean (P, M) if the pooled values of the points observed were these (P, N)."""
        weights = (self._gain @ values[..., None])[..., 0]
        mean: Floats = (weights[:, None] @ self._cross)[:, 0]
        return mean

    def _of_seed(self, seed: int) -> tuple[Floats, Floats, Floats]:
        """Precision of the seed's cells (P, N), variance left of its luck (P,), its weighted values (P,)."""
        num, size = len(self.settings), self._weights.shape[1]
        if seed in self._cells:
            cells, left, sums = self._cells[seed], self._left[seed], self._sums[seed]
        elif seed in self._column:
            cells, left, sums = self._pooled.of_seed(self._column[seed])
        else:
            return np.zeros((num, size)), self.settings.luck**2 + JITTER, np.zeros(num)
        return np.pad(cells, ((0, 0), (0, size - cells.shape[1]))), left, sums

    def _row_of(self, point: Floats) -> int:
        """Returns the index of a point, with room made for it if it is new."""
        name = tuple(point.tolist())
        if name not in self._rows:
            self._rows[name] = len(self._rows)
            self._observe(point[None])
        return self._rows[name]

    def _observe(self, one: Floats) -> None:
        self._points = np.concatenate([self._points, one])
        with_all = covariance(self.settings, distances(self._points, one, self._is_ordered))[..., 0]
        around = ((0, 0), (0, 1), (0, 1))
        self._prior = np.pad(self._prior, around)
        self._prior[:, -1], self._prior[:, :, -1] = with_all, with_all
        self._gain = np.pad(self._gain, around)
        self._weights = np.pad(self._weights, ((0, 0), (0, 1)))
        with_asked = covariance(self.settings, distances(one, self._asked, self._is_ordered))
        self._cross = np.concatenate([self._cross, with_asked], axis=1)
