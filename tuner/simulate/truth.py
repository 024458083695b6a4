"""Defines the true figures of a simulated study's points, and which point is therefore the best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from foundation.arrays import Bools, Floats
from tuner.core.goal import Objective
from tuner.core.limits import Limit
from tuner.errors import TunerError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """The true figures of every legal point, in the order of the lattice.

    Attributes:
        time_s: Training seconds at full budget, shape (points,).
        peak_memory_gib: Peak memory, shape (points,).
        nrmse: Mean NRMSE over seeds after every epoch, shape (points, epochs).
        threshold: NRMSE that must be undercut.
        memory_gib: Memory of the device in GiB.
        energy_j: Joules at full budget, shape (points,); None where the device reports none.
        least_margin: Share of the threshold by which a point's NRMSE must lie below it to be the optimum. A
            point with less is feasible, and may be faster than the optimum.
    """

    time_s: Floats
    peak_memory_gib: Floats
    nrmse: Floats
    threshold: float
    memory_gib: float = math.inf
    energy_j: Floats | None = None
    least_margin: float = 0.0

    @property
    def fits(self) -> Bools:
        """Whether a point runs at all, shape (points,)."""
        return self.peak_memory_gib <= self.memory_gib

    @property
    def is_feasible(self) -> Bools:
        """Whether each point runs and meets the target on average over seeds, shape (points,)."""
        return self.fits & (self.nrmse[:, -1] < self.threshold)

    @property
    def has_margin(self) -> Bools:
        """Whether each point lies `least_margin` below the threshold, shape (points,)."""
        return self.nrmse[:, -1] < self.threshold * (1 - self.least_margin)

    @property
    def optimum(self) -> int | None:
        """The fastest feasible point that has the margin; None when there is none."""
        return best_of(self.time_s, self.is_feasible & self.has_margin)

    def objective(self, name: Objective) -> Floats:
        """Returns the study's objective at every point, (points,); a time to the target at most all of it.

        Raises:
            TunerError: The objective is energy, and the device reports none.
        """
        if name is Objective.TIME_TO_TARGET:
            is_under = self.nrmse < self.threshold
            stays = np.logical_and.accumulate(is_under[:, ::-1], axis=1)[:, ::-1]
            num_epochs = self.nrmse.shape[1]
            first = np.where(stays.any(axis=1), stays.argmax(axis=1) + 1, num_epochs)
            found: Floats = self.time_s * first / num_epochs
            return found
        return self._figures(name.value)

    def keeps(self, limit: Limit, baseline: int) -> Bools:
        """Whether every point keeps a limit, shape (points,).

        Raises:
            TunerError: A limit is on a figure that is not simulated.
        """
        figures = self._figures(limit.metric)
        threshold = limit.bound * (float(figures[baseline]) if limit.is_relative else 1.0)
        return np.array([limit.allows(float(value), threshold) for value in figures], dtype=np.bool_)

    def _figures(self, metric: str) -> Floats:
        known = {"time_s": self.time_s, "peak_memory_gib": self.peak_memory_gib, "energy_j": self.energy_j}
        found = known.get(metric)
        if found is None:
            raise TunerError(
                f"{metric} is not simulated here.", "use time_s, peak_memory_gib, or energy_j on a card."
            )
        return found


def best_of(values: Floats, allowed: Bools) -> int | None:
    """The point with the least value among those allowed; None when there is none."""
    rows = np.flatnonzero(allowed)
    return int(rows[np.argmin(values[rows])]) if rows.size else None
