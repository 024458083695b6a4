"""Fits the analytic cost law t = a optimizer_steps + b launches + c rows to measured epochs.

This module counts work and solves least squares. It measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from foundation.arrays import Floats
from tuner.core.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLaw:
    """A law that gives the seconds of an epoch as a weighted sum of the work in it.

    Attributes:
        step_s: Coefficient a, seconds per optimizer step.
        launch_s: Coefficient b, seconds per micro-batch (one forward and one backward pass).
        row_s: Coefficient c, seconds per row (one sample at one noise level).
    """

    step_s: float
    launch_s: float
    row_s: float

    @classmethod
    def fit(cls, work: Sequence[Workload], epoch_times_s: Sequence[float] | Floats) -> CostLaw:
        """Fits the law by least squares of the relative error, with no coefficient below zero."""
        times = np.asarray(epoch_times_s)
        step_s, launch_s, row_s = nnls(_counts(work) / times[:, None], np.ones(len(times)))[0]
        return cls(step_s=float(step_s), launch_s=float(launch_s), row_s=float(row_s))

    def predict(self, work: Sequence[Workload]) -> Floats:
        """Returns the predicted seconds per epoch, shape (configurations,)."""
        predicted: Floats = _counts(work) @ np.array([self.step_s, self.launch_s, self.row_s])
        return predicted

    def __str__(self) -> str:
        return (
            f"t = {1e6 * self.step_s:.0f} us * optimizer_steps + {1e6 * self.launch_s:.0f} us * launches "
            f"+ {1e6 * self.row_s:.1f} us * rows"
        )


def errors_pct(predicted: Sequence[float] | Floats, measured: Sequence[float] | Floats) -> Floats:
    """Returns the errors of predictions in percent of the measured values; above 0 is an overestimate."""
    errors: Floats = 100.0 * (np.asarray(predicted) / np.asarray(measured) - 1.0)
    return errors


def _counts(work: Sequence[Workload]) -> Floats:
    """Counts the optimizer steps, launches and rows of an epoch, shape (configurations, 3)."""
    rows = [[w.num_iterations / w.config.accum_steps, w.num_chunks, w.num_rows] for w in work]
    return np.array(rows, dtype=np.float64)
