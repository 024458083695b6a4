"""An order of the points of one front that spreads its first ones over all of it.

Reference: Schmucker et al., "Multi-objective Asynchronous Successive Halving" (2021), arXiv:2106.12639,
after Clarkson, "Nearest-Neighbor Searching and Metric Space Dimensions" (2006): each further point is the
one farthest from those before it, so that the first k are a net whose holes are at most twice the least
possible ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuner.core.pareto import Point


def epsilon_net(points: Sequence[Point]) -> list[int]:
    """Indices of `points`, the first that of the least first figure.

    The paper leaves the first point and the unit of distance open. Here each figure is scaled to the range
    it has among `points`, as seconds and NRMSE have no common unit, and of points equally far the lesser
    one comes first: the order depends on the set alone. Equal points keep theirs.
    """
    scaled = _scaled(points)
    left = sorted(range(len(points)), key=points.__getitem__)
    hole = [math.inf] * len(points)  # distance to the nearest point already ordered
    order: list[int] = []
    while left:
        chosen = max(left, key=hole.__getitem__)  # of equals the first: the lesser
        left.remove(chosen)
        order.append(chosen)
        for k in left:
            hole[k] = min(hole[k], math.dist(scaled[k], scaled[chosen]))
    return order


def _scaled(points: Sequence[Point]) -> list[Point]:
    columns = [_to_range(column) for column in zip(*points, strict=True)]
    return list(zip(*columns, strict=True))


def _to_range(column: Sequence[float]) -> list[float]:
    low, high = min(column), max(column)
    return [(value - low) / (high - low) if high > low else 0.0 for value in column]
