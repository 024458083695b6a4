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

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete, Parameter, ParameterValue
from tuner.core.traits import StageTraits
from tuner.core.warm_start import WarmStart, WarmStartRun
from tuner.search.candidates import Candidates
from tuner.search.models.coordinates import coordinates
from tuner.search.models.learning_curves import CurveModel
from tuner.search.models.quality import Observation

TRANSFER_ERROR = 0.002
"""Standard deviation, in log NRMSE, of what another card may change in one run beside the common offset."""


class LaidOutWarmStart:
    """The results of another run, on the axes of the candidates.

    Args:
        warm_start: NRMSE results of another run; None teaches nothing.
        candidates: Says the axes; the points of the other run are numbered after them.
    """

    def __init__(self, warm_start: WarmStart | None, candidates: Candidates) -> None:
        self._candidates = candidates
        self.runs: tuple[WarmStartRun, ...] = warm_start.runs if warm_start else ()
        self._num_epochs = warm_start.num_epochs if warm_start else 0

    @cached_property
    def points(self) -> Floats:
        """The candidates' quality coordinates and, after them, those of the earlier run's (M + R, A)."""
        candidates = self._candidates
        mine = coordinates([run.config for run in self.runs], candidates.quality_axes)
        return np.vstack([candidates.quality_points, mine])

    @property
    def full(self) -> list[tuple[int, WarmStartRun]]:
        """The runs at full budget, each with its row in `points`."""
        return [(row, run) for row, run in self._numbered if run.epoch == self._num_epochs]

    @property
    def _numbered(self) -> list[tuple[int, WarmStartRun]]:
        return list(enumerate(self.runs, start=len(self._candidates.configs)))

    def observations(self, curves: CurveModel) -> list[Observation]:
        """The earlier runs' NRMSE at full budget: partial ones as far as curves are trusted."""
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

    def _offset(self, run: WarmStartRun) -> int:
        """The seed that stands for the offset of a run's source; below 0, unlike any of this study's."""
        sources = sorted({known.source for known in self.runs})
        return -1 - sources.index(run.source)

    @cached_property
    def num_runs(self) -> npt.NDArray[np.float64]:
        """Full-budget runs that bear on the NRMSE of each quality group of the candidates."""
        group = self._candidates.quality_group
        counts = np.zeros(group.max() + 1)
        places = {
            tuple(p): int(g) for p, g in zip(self._candidates.quality_points.tolist(), group, strict=True)
        }
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
