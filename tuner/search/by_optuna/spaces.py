"""Optuna's distributions as points of a unit cube: any space, no lattice.

An axis a parameter; of a finite one each value has an equal share of [0, 1] and lies in its middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from foundation.arrays import Bools, Floats
from tuner.core.parameters import ParameterValue

Space = Mapping[str, BaseDistribution]

NUM_UNIFORM, NUM_LOCAL = 400, 100
LOCAL_SD = 0.1
"""Standard deviation of a local candidate's distance along each axis."""

KEPT = 0.8
"""Probability that a local candidate keeps a category."""


def distribution_of(
    values: Sequence[ParameterValue], *, is_ordered: bool = True, is_log: bool = False
) -> BaseDistribution:
    """The distribution from the least to the greatest of some numbers, or of categories."""
    if not is_ordered:
        return CategoricalDistribution(values)
    low, high = values[0], values[-1]
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(float(low), float(high), log=is_log)


def is_ordered(space: Space) -> Bools:
    """Whether each axis is ordered; False for categories."""
    return np.array([not isinstance(d, CategoricalDistribution) for d in space.values()], dtype=np.bool_)


def allows(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a distribution has a value."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except (TypeError, ValueError):
        return False  # no number, or no such category


def holds(space: Space, params: Mapping[str, Any]) -> bool:
    """Whether the parameters lie in the space."""
    return all(name in params and allows(d, params[name]) for name, d in space.items())


def points_of(space: Space, many: Iterable[Mapping[str, Any]]) -> Floats:
    """Maps parameters to points, one set of them a row (M, A)."""
    rows = [[_share(distribution, params[name]) for name, distribution in space.items()] for params in many]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(space))


def params_at(space: Space, point: Floats) -> dict[str, Any]:
    """The parameters at, or nearest to, a point (A,)."""
    return {name: _value(d, share) for (name, d), share in zip(space.items(), point.tolist(), strict=True)}


def draw(space: Space, around: Floats, rng: np.random.Generator) -> Floats:
    """Points of the space at random, some of them near the given ones (K, A); shape (M, A)."""
    shares = rng.uniform(size=(NUM_UNIFORM + (NUM_LOCAL if len(around) else 0), len(space)))
    if len(around):
        centres = around[rng.integers(len(around), size=NUM_LOCAL)]
        near = np.clip(centres + LOCAL_SD * rng.standard_normal(centres.shape), 0.0, 1.0)
        categories = np.where(rng.uniform(size=near.shape) < KEPT, centres, shares[NUM_UNIFORM:])
        shares[NUM_UNIFORM:] = np.where(is_ordered(space), near, categories)
    return points_of(space, [params_at(space, row) for row in shares])


def _value(distribution: BaseDistribution, share: float) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[_slot(share, len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # there is no other kind
    low, high = distribution.low, distribution.high
    if distribution.step is not None and not distribution.log:
        value = low + _slot(share, _num_steps(distribution)) * distribution.step
    else:
        bottom, top = _ends(distribution)
        value = bottom + share * (top - bottom)
        value = math.exp(value) if distribution.log else value
    if isinstance(distribution, IntDistribution):
        return int(min(max(round(value), low), high))
    return float(min(max(value, low), high))


def _share(distribution: BaseDistribution, value: Any) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return (float(distribution.to_internal_repr(value)) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # there is no other kind
    if distribution.step is not None and not distribution.log:
        return float(round((value - distribution.low) / distribution.step) + 0.5) / _num_steps(distribution)
    bottom, top = _ends(distribution)
    return float((math.log(value) if distribution.log else value) - bottom) / (top - bottom)


def _slot(share: float, num: int) -> int:
    return min(int(share * num), num - 1)


def _num_steps(distribution: FloatDistribution | IntDistribution) -> int:
    assert distribution.step is not None  # asked only of such
    return round((distribution.high - distribution.low) / distribution.step) + 1


def _ends(distribution: FloatDistribution | IntDistribution) -> tuple[float, float]:
    """Returns the values laid at 0 and at 1; an integer has half a unit on either side of it."""
    half = 0.5 if isinstance(distribution, IntDistribution) else 0.0
    low, high = distribution.low - half, distribution.high + half
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
