"""A posterior at fixed points that takes runs one at a time, each as one more rank.

The same as a `Posterior` of all the runs with the same settings, but for rounding: a run is an observation
q^T f + noise, where q is its point less what is known of its seed's luck by the other points with that seed.
With N points observed and M asked about, a run costs N^2 + N M instead of N^3 + N^2 M.

Shape legend: P settings, N points observed, M points asked about, A axes.
Reference: Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006), section A.3 (rank one).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np

from foundation.arrays import Bools, Floats
from tuner.search.models.gp import Posterior, Runs
from tuner.search.models.gp_kernel import (
    JITTER,
    Points,
    Settings,
    coded,
    covariance,
    distances,
    point_variance,
)


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
        self._pooled = posterior.pooled
        self._column = {label: k for k, label in enumerate(seeds.tolist())}
        self._room = _Room(
            prior=posterior.prior,
            gain=posterior.gain,
            cross=covariance(settings, distances(posterior.points, self._asked, is_ordered)),
        )
        self._weights = posterior.weights
        self._cells: dict[int, Floats] = {}
        self._left: dict[int, Floats] = {}
        self._sums: dict[int, Floats] = {}
        cross = self._room.cross
        self._mean = (self._weights[:, None] @ cross)[:, 0]
        self._explained = posterior.reduction(cross)
        of_reference = (posterior.gain @ cross[:, :, [reference]]).transpose(0, 2, 1) @ cross
        self._explained_contrast = (
            self._explained + self._explained[:, [reference]] - 2.0 * of_reference[:, 0]
        )

    @property
    def _prior(self) -> Floats:
        """The kernel between the points of the runs (P, N, N)."""
        return self._room.prior[:, : len(self._points), : len(self._points)]

    @property
    def _gain(self) -> Floats:
        """See `Posterior`; to be changed in place (P, N, N)."""
        return self._room.gain[:, : len(self._points), : len(self._points)]

    @property
    def _cross(self) -> Floats:
        """The kernel between the points of the runs and those asked about (P, N, M)."""
        return self._room.cross[:, : len(self._points)]

    def copy(self) -> Field:
        """Returns a copy that takes further runs without changing this one."""
        other = copy(self)
        other._rows = dict(self._rows)
        other._room = _Room(
            prior=self._prior, gain=self._gain.copy(), cross=self._cross
        )  # full: it moves first
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
        gain = self._gain
        for p, new in enumerate(news):
            gain[p] += np.outer(new / variance[p], new)
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
        num = len(self._points)
        self._points = np.concatenate([self._points, one])
        self._room = self._room.for_points(num + 1)
        with_all = covariance(self.settings, distances(self._points, one, self._is_ordered))[..., 0]
        self._prior[:, num], self._prior[:, :, num] = with_all, with_all
        self._gain[:, num], self._gain[:, :, num] = 0.0, 0.0
        self._weights = np.pad(self._weights, ((0, 0), (0, 1)))
        self._cross[:, num] = covariance(self.settings, distances(one, self._asked, self._is_ordered))[:, 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """Arrays with room for more observed points than there are.

    Attributes:
        prior, gain: (P, room, room).
        cross: (P, room, M).
    """

    prior: Floats
    gain: Floats
    cross: Floats

    def for_points(self, num: int) -> _Room:
        """Returns these arrays if so many points have room, else larger copies of them."""
        room = self.cross.shape[1]
        if num <= room:
            return self
        more = max(8, room // 4)
        return _Room(
            prior=np.pad(self.prior, ((0, 0), (0, more), (0, more))),
            gain=np.pad(self.gain, ((0, 0), (0, more), (0, more))),
            cross=np.pad(self.cross, ((0, 0), (0, more), (0, 0))),
        )
