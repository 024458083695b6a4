"""An earlier run's NRMSE on the axes of this study, as observations of its models.

Its runs need not be candidates here, nor legal: what they say is of a place, not of a candidate. All runs of
one source share an unknown offset, for which the luck of a seed of their own stands; each carries a small
error besides, since no two cards compute exactly alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete, Parameter, ParameterValue
from tuner.core.prior import Prior, PriorRun
from tuner.core.traits import StageTraits
from tuner.search.grid import Grid
from tuner.search.models.coordinates import Floats, coordinates
from tuner.search.models.curves import CurveModel
from tuner.search.models.quality import Observation

TRANSFER_ERROR = 0.002
"""Standard deviation, in log NRMSE, of what another card may change in one run beside the common offset."""


class LaidOutPrior:
    """A prior on the axes of a grid.

    Args:
        prior: What another run taught; None teaches nothing.
        grid: Says the axes; the points of the prior are numbered after its candidates.
    """

    def __init__(self, prior: Prior | None, grid: Grid) -> None:
        self._grid = grid
        self.runs: tuple[PriorRun, ...] = prior.runs if prior else ()
        self._num_epochs = prior.num_epochs if prior else 0

    @cached_property
    def points(self) -> Floats:
        """The candidates' quality coordinates and, after them, those of the prior's runs (M + R, A)."""
        grid = self._grid
        mine = coordinates([run.config for run in self.runs], grid.quality_axes)
        return np.vstack([grid.quality_points, mine])

    @property
    def full(self) -> list[tuple[int, PriorRun]]:
        """The runs at full budget, each with its row in `points`."""
        return [(row, run) for row, run in self._numbered if run.epoch == self._num_epochs]

    @property
    def _numbered(self) -> list[tuple[int, PriorRun]]:
        return list(enumerate(self.runs, start=len(self._grid.configs)))

    def observations(self, curves: CurveModel) -> list[Observation]:
        """What the runs say of NRMSE at full budget: partial ones as far as curves are trusted."""
        found = []
        for row, run in self._numbered:
            shift, variance = 0.0, TRANSFER_ERROR**2
            if run.epoch < self._num_epochs:
                expected = curves.extrapolate(self.points[row], run.epoch)
                if expected is None:
                    continue
                shift, variance = expected.shift, variance + expected.variance
            found.append(Observation(row, self._offset(run), math.log(run.nrmse) + shift, variance))
        return found

    def _offset(self, run: PriorRun) -> int:
        """The seed that stands for the offset of a run's source; below 0, unlike any of this study's."""
        sources = sorted({known.source for known in self.runs})
        return -1 - sources.index(run.source)

    @cached_property
    def num_runs(self) -> npt.NDArray[np.float64]:
        """Full-budget runs that bear on the NRMSE of each quality group of the grid."""
        group = self._grid.quality_group
        counts = np.zeros(group.max() + 1)
        places = {tuple(p): int(g) for p, g in zip(self._grid.quality_points.tolist(), group, strict=True)}
        for row, _ in self.full:
            if (number := places.get(tuple(self.points[row].tolist()))) is not None:
                counts[number] += 1
        return counts


def curve_table(curves: Sequence[Sequence[tuple[int, float]]], num_epochs: int) -> Floats:
    """Log NRMSE by epoch, NaN where an epoch was not reported (curves, epochs)."""
    table = np.full((len(curves), num_epochs), np.nan)
    for k, curve in enumerate(curves):
        for epoch, nrmse in curve:
            table[k, epoch - 1] = math.log(nrmse)
    return table


def is_expressible(config: TrialConfig, lattice: Lattice, traits: StageTraits) -> bool:
    """Whether the space's coordinates say all of a configuration that its NRMSE may depend on.

    Numbers outside the space's ranges are; another value of what does not vary here, an unknown category, or
    other parameters are not.
    """
    values = config.as_dict()
    free = set(traits.quality_invariant_to)
    known = {parameter.name: parameter for parameter in lattice.parameters}
    if "accum_steps" not in known and values.pop("accum_steps") != 1:
        return False
    if (values.keys() ^ known.keys()) - free:
        return False
    return all(_can_lie(known[name], values[name]) for name in values.keys() - free)


def _can_lie(parameter: Parameter, value: ParameterValue) -> bool:
    """Whether a value has a place on a parameter's axis; where it does not vary there is none."""
    if isinstance(parameter, Discrete) and (not parameter.is_ordered or len(parameter.values) == 1):
        return value in parameter.values
    return isinstance(value, int | float)
