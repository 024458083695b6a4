"""The additive kernel and its settings, for many settings at once.

One smooth term for every axis, a small one in which all axes interact, and what each point has for itself.
On a lattice an axis takes few values, so that a term is worked out once for each pair of values and looked
up for each pair of points.

Shape legend: P settings (particles), A axes.
Reference: Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006), equation 4.17 (Matern 5/2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.arrays import Bools, Floats, Ints

JITTER = 1e-9
FAR = 3.0
"""Distance between two categories, in units of an axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Priors of the settings before any data; all figures in the unit of the observations.

    Log-normal, as (median, standard deviation of the logarithm).

    Attributes:
        amplitude: Amplitude of the term of one axis.
        length: Scale of a term, in units of its axis.
        interaction: Amplitude of the term in which all axes interact.
        noise: Standard deviation of a run.
        luck: Standard deviation of what a seed adds to all points alike; median 0 means no such thing.
        own: Standard deviation of what a point shares with no other; median 0 means no such thing.
        level: Standard deviation of the constant m.
    """

    amplitude: tuple[float, float]
    length: tuple[float, float]
    interaction: tuple[float, float]
    noise: tuple[float, float]
    luck: tuple[float, float] = (0.0, 0.0)
    own: tuple[float, float] = (0.0, 0.0)
    level: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """P settings of the kernel, each a row: amplitudes and lengths (P, A), the rest (P,)."""

    amplitude: Floats
    length: Floats
    interaction: Floats
    noise: Floats
    luck: Floats
    own: Floats
    level: float

    def __len__(self) -> int:
        return len(self.noise)

    def take(self, rows: Ints) -> Settings:
        """Returns the settings of some particles, in that order."""
        return Settings(
            amplitude=self.amplitude[rows],
            length=self.length[rows],
            interaction=self.interaction[rows],
            noise=self.noise[rows],
            luck=self.luck[rows],
            own=self.own[rows],
            level=self.level,
        )


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
        own=lognormal(prior.own),
        level=prior.level,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """Points with their values on each axis looked up once, for points that are asked about again and again.

    Attributes:
        points: The points (M, A).
        values: For each axis, the values that occur, ascending; more may be listed.
        codes: For each axis, the index of each point's value in `values` (M,).
    """

    points: Floats
    values: tuple[Floats, ...]
    codes: tuple[Ints, ...]

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: Ints) -> Coded:
        """Returns some of the points, in that order."""
        return Coded(
            points=self.points[rows], values=self.values, codes=tuple(code[rows] for code in self.codes)
        )


Points = Floats | Coded
"""Points (M, A), with their values looked up or not."""


def coded(points: Points) -> Coded:
    """Returns points with their values looked up."""
    if isinstance(points, Coded):
        return points
    found = [np.unique(x, return_inverse=True) for x in points.T]
    return Coded(
        points=points, values=tuple(values for values, _ in found), codes=tuple(code for _, code in found)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """Distances of the points of one list from those of another along each axis.

    Attributes:
        shape: Points of the one list, and of the other.
        values: For each axis, the distances that occur, flat; or those of all pairs (*shape).
        codes: For each axis, numbers of the points of the one list and of the other, whose sum is a pair's
            index in `values`; None if `values` are the pairs'.
        is_within: Whether the pairs are those of `distances_within`, the one list being that of pairs.
    """

    shape: tuple[int, int]
    values: tuple[Floats, ...]
    codes: tuple[tuple[Ints, Ints] | None, ...]
    is_within: bool = False

    def where(self, axis: int, rows: slice) -> Ints | None:
        """Returns the indices of some rows' pairs in `values`, flat; None if the values are the pairs'."""
        codes = self.codes[axis]
        return None if codes is None else (codes[0][rows, None] + codes[1]).ravel()


def distances(a: Points, b: Points, is_ordered: Bools) -> Distances:
    """|a - b| along each axis; along an unordered one 0 or `FAR`."""
    one, other = coded(a), coded(b)
    values: list[Floats] = []
    codes: list[tuple[Ints, Ints] | None] = []
    for k, ordered in enumerate(is_ordered):
        of_a, of_b = one.values[k], other.values[k]
        if 2 * len(of_a) * len(of_b) < len(one) * len(other):
            values.append(_apart(of_a[:, None], of_b, ordered).ravel())
            codes.append((one.codes[k] * len(of_b), other.codes[k]))
        else:
            values.append(_apart(one.points[:, k, None], other.points[:, k], ordered))
            codes.append(None)
    return Distances(shape=(len(one), len(other)), values=tuple(values), codes=tuple(codes))


def distances_within(a: Points, is_ordered: Bools) -> Distances:
    """Those of each point from itself and from those before it, in the order of `numpy.tril_indices`."""
    one = coded(a)
    below, before = np.tril_indices(len(one))
    values: list[Floats] = []
    codes: list[tuple[Ints, Ints] | None] = []
    for of_a, code, ordered in zip(one.values, one.codes, is_ordered, strict=True):
        if 2 * len(of_a) ** 2 < len(below):
            values.append(_apart(of_a[:, None], of_a, ordered).ravel())
            codes.append((code[below] * len(of_a) + code[before], np.zeros(1, dtype=np.intp)))
        else:
            values.append(_apart(of_a[code[below]], of_a[code[before]], ordered)[:, None])
            codes.append(None)
    return Distances(shape=(len(below), 1), values=tuple(values), codes=tuple(codes), is_within=True)


def _apart(x: Floats, y: Floats, ordered: bool) -> Floats:
    apart: Floats = np.abs(x - y)
    return apart if ordered else np.where(apart > 0, FAR, 0.0)


CHUNK = 2**15
"""Entries of the kernel worked out at a time: the caches hold them."""


def covariance(settings: Settings, apart: Distances) -> Floats:
    """The kernel of pairs of points: Matern 5/2 terms, their sum and their product.

    What a point shares with no other is between points whose coordinates are all the same.

    Returns:
        Shape (P, *apart.shape), or (P, pairs) of distances within one list.
    """
    num, (num_rows, num_columns) = len(settings), apart.shape
    tables = [
        None if codes is None else (*_terms(settings, axis, values), values == 0)
        for axis, (values, codes) in enumerate(zip(apart.values, apart.codes, strict=True))
    ]
    found: Floats = np.empty((num, num_rows * num_columns))
    step = max(1, CHUNK // max(1, num * num_columns))
    for first in range(0, num_rows, step):
        rows = slice(first, min(first + step, num_rows))
        total = found[:, first * num_columns : rows.stop * num_columns]
        total[:] = settings.level**2
        product = np.ones(total.shape)
        is_same = np.ones(total.shape[1], dtype=np.bool_)
        for axis, (table, values) in enumerate(zip(tables, apart.values, strict=True)):
            where = apart.where(axis, rows)
            if table is None or where is None:
                distance = values[rows].ravel()
                term, weighted = _terms(settings, axis, distance)
                is_same &= distance == 0
            else:
                term, weighted = table[0].take(where, axis=1), table[1].take(where, axis=1)
                is_same &= table[2].take(where)
            product *= term
            total += weighted
        total += (settings.interaction**2)[:, None] * product
        if is_same.any():
            total[:, is_same] += (settings.own**2)[:, None]
    return found if apart.is_within else found.reshape(num, num_rows, num_columns)


def _terms(settings: Settings, axis: int, distance: Floats) -> tuple[Floats, Floats]:
    """The term of an axis, and the same times its variance, each (P, distances)."""
    scaled = (5**0.5 / settings.length[:, axis])[:, None] * distance
    term: Floats = (1.0 + scaled + scaled * scaled / 3.0) * np.exp(-scaled)
    return term, (settings.amplitude[:, axis] ** 2)[:, None] * term


def point_variance(settings: Settings) -> Floats:
    """The kernel of a point with itself (P,)."""
    of_terms = (settings.amplitude**2).sum(axis=1) + settings.interaction**2 + settings.own**2
    variance: Floats = settings.level**2 + of_terms
    return variance
