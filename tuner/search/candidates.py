"""The candidates of a search, laid out once: their coordinates and their work as arrays.

All points of the lattice; a sample where they are more than some 10^5, or something continuous varies.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.search.draw import MAX_POINTS, drawn_configs
from tuner.search.models.coordinates import axes_of, coordinates
from tuner.search.models.gp_kernel import Coded, coded
from tuner.search.models.memory import extent_of
from tuner.search.models.time import work_of
from tuner.search.problem import Problem


class Candidates:
    """Candidates and where they lie; shape (candidates, ...) throughout.

    Args:
        problem: Says what is looked at.
        tried: Configurations that must be among the candidates, and near which some are drawn.
        also: Further configurations that must be among them.
    """

    def __init__(
        self, problem: Problem, tried: Sequence[TrialConfig] = (), also: Sequence[TrialConfig] = ()
    ) -> None:
        self._problem = problem
        known = dict.fromkeys(drawn_configs(problem.lattice, problem.seed, tried))
        known.update(dict.fromkeys((*tried, *also)))
        self.configs: tuple[TrialConfig, ...] = tuple(known)
        self.index = {config: row for row, config in enumerate(self.configs)}
        self.is_complete = not problem.lattice.continuous and len(problem.lattice) <= MAX_POINTS
        self.quality_axes = axes_of(
            problem.lattice,
            without=problem.traits.quality_invariant_to,
            derived=["effective_batch_size"],
        )
        time = axes_of(
            problem.lattice,
            derived=["micro_rows", "num_micro_batches"],
            rows_per_sample=problem.rows_per_sample,
        )
        self.quality_is_ordered = np.array([axis.is_ordered for axis in self.quality_axes], dtype=np.bool_)
        self.time_is_ordered = np.array([axis.is_ordered for axis in time], dtype=np.bool_)
        self.quality_points: Floats = coordinates(self.configs, self.quality_axes)
        self.time_points: Floats = coordinates(self.configs, time)

    @cached_property
    def work(self) -> Floats:
        """Batches, launches, rows and optimizer steps of an epoch (candidates, 4)."""
        return work_of(self.configs, self._problem.num_samples, self._problem.rows_per_sample)

    @cached_property
    def extents(self) -> Floats:
        """The two figures in which peak memory is affine (candidates, 2)."""
        return np.array([extent_of(config) for config in self.configs], dtype=np.float64)

    @cached_property
    def _quality(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        _, first, group = np.unique(self.quality_points, axis=0, return_index=True, return_inverse=True)
        return np.asarray(group.reshape(-1), dtype=np.intp), first

    @cached_property
    def qualities(self) -> Coded:
        """The point of each group of equal quality (groups, axes)."""
        return coded(self.quality_points[self.quality_first])

    @cached_property
    def coded_time_points(self) -> Coded:
        """The points on which time depends (candidates, axes)."""
        return coded(self.time_points)

    @property
    def quality_group(self) -> npt.NDArray[np.intp]:
        """Candidates of equal quality, as far as the stage says, share a number."""
        return self._quality[0]

    @property
    def quality_first(self) -> npt.NDArray[np.intp]:
        """The first candidate of each such group (groups,)."""
        return self._quality[1]

    def covers(self, config: TrialConfig) -> bool:
        """Whether a configuration is a candidate."""
        return config in self.index
