"""Configurations as points of a unit cube, one axis a parameter, so that distance means likeness.

Knows which scale an axis has (ratios matter for counts such as `batch_size`), not what depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from foundation.arrays import Floats
from tuner.core.config import CORE_NAMES, TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Continuous, Parameter, ParameterValue
from tuner.core.workload import num_micro_batches

LOG_SPAN = 3.0
"""Positive numbers that span at least this ratio are laid out by their logarithms."""

DERIVED: dict[str, Callable[[TrialConfig, int], float]] = {
    "effective_batch_size": lambda config, _: config.effective_batch_size,
    "num_micro_batches": lambda config, rows: num_micro_batches(config.batch_size, config.micro_batch, rows),
    "micro_rows": lambda config, _: config.micro_batch * config.num_taus,
}
"""Figures that are coordinates in their own right, of a configuration and the rows of a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One coordinate: its name, whether values are ordered, and how they are laid out.

    Attributes:
        name: A parameter, or a key of `DERIVED`.
        is_ordered: False for categories: two values are then alike or not, no more.
        low: Scaled value that is laid at 0.
        high: Scaled value that is laid at 1.
        is_log: Whether the scale is logarithmic.
        categories: The values of an unordered axis, by their position.
        rows_per_sample: Rows that the stage makes of a sample.
    """

    name: str
    is_ordered: bool = True
    low: float = 0.0
    high: float = 1.0
    is_log: bool = False
    categories: tuple[ParameterValue, ...] = ()
    rows_per_sample: int = 1

    def at(self, config: TrialConfig) -> float:
        """The coordinate of a configuration; outside [0, 1] when its value is outside the space's.

        A parameter the configuration does not name lies at 0; an unknown category is like no other.
        """
        if self.name in DERIVED:
            value: ParameterValue = DERIVED[self.name](config, self.rows_per_sample)
        else:
            values = config.as_dict()
            if self.name not in values:
                return 0.0
            value = values[self.name]
        if not self.is_ordered:
            return float(self.categories.index(value)) if value in self.categories else -1.0
        scaled = math.log(float(value)) if self.is_log else float(value)
        return (scaled - self.low) / (self.high - self.low)


def axes_of(
    lattice: Lattice, *, without: Iterable[str] = (), derived: Iterable[str] = (), rows_per_sample: int = 1
) -> tuple[Axis, ...]:
    """The axes along which the space varies; a parameter with one value is none.

    Args:
        lattice: The space.
        without: Parameters that do not matter.
        derived: Keys of `DERIVED` to add, as far as they vary.
        rows_per_sample: Rows that the stage makes of a sample.
    """
    dropped = set(without)
    axes = [_axis(parameter) for parameter in lattice.parameters if parameter.name not in dropped]
    for name in derived:
        axes.append(_derived_axis(name, lattice, rows_per_sample))
    return tuple(axis for axis in axes if axis is not None)


def coordinates(configs: Sequence[TrialConfig], axes: Sequence[Axis]) -> Floats:
    """The configurations on the axes, shape (configs, axes)."""
    found = np.empty((len(configs), len(axes)))
    for k, axis in enumerate(axes):
        places: dict[object, float] = {}
        for row, config in enumerate(configs):
            value = _value(config, axis)
            name = (type(value), value)  # 1 and True are equal, and different categories
            if name not in places:
                places[name] = axis.at(config)
            found[row, k] = places[name]
    return found


def _value(config: TrialConfig, axis: Axis) -> ParameterValue | None:
    """Returns what decides where a configuration lies on an axis; None if it names no such thing."""
    name = axis.name
    if name in DERIVED:
        return DERIVED[name](config, axis.rows_per_sample)
    if name in CORE_NAMES:
        core: ParameterValue = getattr(config, name)
        return core
    return next((value for key, value in config.extra if key == name), None)


def _axis(parameter: Parameter) -> Axis | None:
    if isinstance(parameter, Continuous):
        return _ordered(parameter.name, parameter.low, parameter.high, is_log=parameter.log)
    if len(parameter.values) < 2:
        return None
    if not parameter.is_ordered:
        return Axis(name=parameter.name, is_ordered=False, categories=parameter.values)
    low, high = float(parameter.values[0]), float(parameter.values[-1])
    return _ordered(parameter.name, low, high, is_log=low > 0 and high / low >= LOG_SPAN)


def _derived_axis(name: str, lattice: Lattice, rows_per_sample: int) -> Axis | None:
    columns = lattice.columns
    batch, micro, taus = (columns[key] for key in ("batch_size", "micro_batch", "num_taus"))
    if name == "effective_batch_size":
        if "accum_steps" not in columns:
            return None
        values = batch * columns["accum_steps"]
    elif name == "num_micro_batches":
        values = num_micro_batches(batch, micro, rows_per_sample)
    else:
        values = micro * taus
    low, high = float(values.min()), float(values.max())
    axis = _ordered(name, low, high, is_log=True) if low < high else None
    return replace(axis, rows_per_sample=rows_per_sample) if axis else None


def _ordered(name: str, low: float, high: float, *, is_log: bool) -> Axis | None:
    if is_log:
        low, high = math.log(low), math.log(high)
    return Axis(name=name, low=low, high=high, is_log=is_log) if low < high else None


def spread_out(points: Floats, num: int) -> list[int]:
    """Chooses at most `num` rows of points far apart: each next one is the farthest from those chosen."""
    nearest = np.linalg.norm(points - points.mean(axis=0), axis=1)
    chosen: list[int] = []
    while len(chosen) < min(num, len(points)):
        row = int(np.argmax(nearest))
        chosen.append(row)
        away = np.linalg.norm(points - points[row], axis=1)
        nearest = away if len(chosen) == 1 else np.minimum(nearest, away)
    return chosen
