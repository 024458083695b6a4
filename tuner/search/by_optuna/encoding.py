"""Encodes lattice points for a sampler: smooth coordinates, in which neighbours are alike.

`batch_size` is replaced by the quotient `num_micro_batches = batch_size / micro_batch`, which frees
the coordinates of the divisibility between them; it stays where they need not divide. Pure numpy; knows
nothing of Optuna, nor of what was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete, ParameterValue
from tuner.errors import ConfigError

QUOTIENT = "num_micro_batches"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dimension:
    """The encoding of one discrete dimension of the lattice, as a sampler sees it.

    Attributes:
        name: `num_micro_batches` in place of `batch_size`, or a parameter's own name.
        values: The distinct values it takes on the lattice, ascending when ordered.
        is_ordered: True for numbers.
        column: Coordinate of every lattice point, shape (points,).
    """

    name: str
    values: tuple[ParameterValue, ...]
    is_ordered: bool
    column: npt.NDArray[Any]

    @property
    def is_log(self) -> bool:
        """True when ratios are what matters: all numbers are positive."""
        return self.is_ordered and float(self.values[0]) > 0

    def distance(self, value: ParameterValue) -> npt.NDArray[np.float64]:
        """Computes the distance of each lattice point from `value`, shape (points,).

        Numbers: 1 is the whole range, in logarithms when all are positive. Categories: 1 when they
        differ.
        """
        if not self.is_ordered:
            return np.asarray(self.column != value, dtype=np.float64)
        ends_and_value = np.array([self.values[0], self.values[-1], value])
        low, high, here = map(float, self._scaled(ends_and_value))
        away: npt.NDArray[np.float64] = np.abs(self._scaled(self.column) - here)
        if high > low:
            away /= high - low
        return away

    def _scaled(self, numbers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        scaled: npt.NDArray[np.float64] = numbers.astype(np.float64)
        if self.is_log:
            np.log(scaled, out=scaled)
        return scaled


class Encoding:
    """A lattice in a sampler's coordinates.

    Attributes:
        lattice: The legal points.
        dimensions: The discrete ones.
    """

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self.dimensions = tuple(_dimension(lattice, parameter) for parameter in lattice.discrete)

    def encode(self, config: TrialConfig) -> dict[str, ParameterValue]:
        """A legal configuration's coordinates, the continuous ones among them."""
        values = config.as_dict() | {QUOTIENT: config.batch_size // config.micro_batch}
        names = [dimension.name for dimension in self.dimensions] + [p.name for p in self.lattice.continuous]
        return {name: values[name] for name in names}

    def decode(self, coordinates: Mapping[str, ParameterValue]) -> TrialConfig:
        """The configuration at legal coordinates, its discrete values as the study gave them."""
        continuous = {p.name: float(coordinates[p.name]) for p in self.lattice.continuous}
        return self.lattice.config(self.row(coordinates), continuous)

    def row(self, coordinates: Mapping[str, ParameterValue]) -> int:
        """The lattice point at legal coordinates.

        Raises:
            ConfigError: They are not legal.
        """
        values = dict(coordinates)
        if QUOTIENT in values:
            values["batch_size"] = int(values.pop(QUOTIENT)) * int(values["micro_batch"])
        config = TrialConfig.from_dict(values)
        row = self.lattice.index(config)
        if row is None:
            raise ConfigError(f"{config} is not on the lattice.")
        return row

    def nearest(self, coordinates: Mapping[str, ParameterValue], allowed: npt.NDArray[np.bool_]) -> int:
        """The allowed lattice point with the least Euclidean distance; of equals the first.

        Args:
            coordinates: A value for every dimension; it need not be one that occurs.
            allowed: Shape (points,), True at least once.
        """
        squared = sum(dimension.distance(coordinates[dimension.name]) ** 2 for dimension in self.dimensions)
        return int(np.argmin(np.where(allowed, squared, np.inf)))


def _dimension(lattice: Lattice, parameter: Discrete) -> Dimension:
    column, name = lattice.columns[parameter.name], parameter.name
    micro = lattice.columns["micro_batch"]
    if name == "batch_size" and not np.any(column % micro):
        column, name = column // micro, QUOTIENT
    return Dimension(
        name=name,
        values=tuple(np.unique(column).tolist()),
        is_ordered=parameter.is_ordered,
        column=column,
    )
