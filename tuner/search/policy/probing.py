"""Decides when to time a few steps instead of whole trainings: at first, and if a time is not well known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.search.models.coordinates import spread_out
from tuner.search.predictions import Predictions

PROBES_AT_ONCE = 8
WELL_KNOWN = 0.05
"""Standard deviation of the logarithm of a time that needs no probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStep:
    """The decision to time these configurations."""

    configs: tuple[TrialConfig, ...]


def first_probe(predictions: Predictions, cost_s: float) -> ProbeStep | None:
    """A probe of candidates all over the space, if there was none and it costs less than half a training.

    Args:
        predictions: About the candidates.
        cost_s: Seconds that a probed configuration takes.
    """
    baseline = predictions.measured.get(predictions.problem.baseline)
    is_dear = baseline is not None and PROBES_AT_ONCE * cost_s >= 0.5 * baseline.time_s
    if predictions.probes or is_dear:
        return None
    candidates = predictions.candidates
    rows = spread_out(candidates.time_points, PROBES_AT_ONCE)
    return ProbeStep(configs=tuple(candidates.configs[row] for row in rows))


def useful_probe(predictions: Predictions, values: Floats, best: int, cost_s: float) -> ProbeStep | None:
    """A probe of the most promising candidates whose time is not known well, if it is cheap.

    Args:
        predictions: About the candidates.
        values: Their acquisition, 0 where they are not worthwhile (candidates,).
        best: The row of the largest.
        cost_s: Seconds that a probed configuration takes.
    """
    if predictions.time_spread[best] <= WELL_KNOWN:
        return None
    configs, known = predictions.candidates.configs, predictions.probes
    if configs[best] in known or cost_s > 0.1 * predictions.cost_s[best]:
        return None
    order = np.argsort(-values)[:PROBES_AT_ONCE]
    wanted = [
        configs[row]
        for row in order
        if values[row] > 0 and predictions.time_spread[row] > WELL_KNOWN and configs[row] not in known
    ]
    return ProbeStep(configs=tuple(wanted))
