"""Computes how much of a figure's variance over a finite set of points each coordinate explains.

Computed exactly on the points given, which need not be a full product: a lattice with constraints has
coordinates that depend on each other, where indices of single coordinates no longer add up. Shapley effects
do.

References: Owen, "Sobol' indices and Shapley value", SIAM/ASA J. Uncertainty Quantification 2 (2014),
equation 4; Song, Nelson, Staum, "Shapley effects for global sensitivity analysis", same journal 4 (2016),
equation 5; Hutter, Hoos, Leyton-Brown, "An efficient approach for assessing hyperparameter importance"
(2014), for fANOVA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

MAX_COORDINATES = 10
"""Most coordinates, since every subset of them is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """The importance of one coordinate, each figure a share of the variance, 0 to 1.

    Attributes:
        shapley: Fair share of the coordinate: over all coordinates these add up to 1, and none is negative.
        alone: Share that it explains by itself, var(E[f | x]) / var(f): the first-order index.
        last: Share that no other explains, E[var(f | all others)] / var(f): the total index.
    """

    shapley: float
    alone: float
    last: float


def importances(
    codes: npt.NDArray[np.intp], figure: npt.NDArray[np.float64]
) -> tuple[Importance, ...] | None:
    """Computes the importance of every coordinate, with equal weights; None if the figure does not vary.

    Args:
        codes: Index of each coordinate's value at each point, from 0 (points, coordinates).
        figure: One a point (points,).

    Raises:
        ValueError: There are more than `MAX_COORDINATES`.
    """
    num = codes.shape[1]
    if num > MAX_COORDINATES:
        raise ValueError(f"{num} coordinates have too many subsets.")
    variance = float(figure.var())
    if variance <= 1e-18 * max(1.0, float(np.abs(figure).max()) ** 2):
        return None
    everything = tuple(range(num))
    share = {
        subset: _explained(codes[:, list(subset)], figure) / variance
        for size in range(num + 1)
        for subset in combinations(everything, size)
    }
    return tuple(
        Importance(
            shapley=_shapley(k, everything, share),
            alone=share[(k,)],
            last=share[everything] - share[tuple(j for j in everything if j != k)],
        )
        for k in everything
    )


def _explained(codes: npt.NDArray[np.intp], figure: npt.NDArray[np.float64]) -> float:
    """Computes var(E[figure | codes])."""
    if codes.shape[1] == 0:
        return 0.0
    sizes = codes.max(axis=0) + 1
    _, group = np.unique(np.ravel_multi_index(codes.T, tuple(sizes)), return_inverse=True)
    counts = np.bincount(group)
    means = np.bincount(group, figure) / counts
    return float(counts @ (means - figure.mean()) ** 2 / len(figure))


def _shapley(k: int, everything: Sequence[int], share: dict[tuple[int, ...], float]) -> float:
    """Computes what coordinate k adds to the others, averaged over all orders in which they may come."""
    num = len(everything)
    others = [j for j in everything if j != k]
    total = 0.0
    for size in range(num):
        weight = 1.0 / (num * comb(num - 1, size))
        for subset in combinations(others, size):
            total += weight * (share[tuple(sorted((*subset, k)))] - share[subset])
    return total
