"""Decides when to time a few steps instead of whole trainings: at first, and if a time is not well known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.search.models.coordinates import spread_out
from tuner.search.predictions import Predictions

PROBES_AT_ONCE = 8
MEMORY_PROBES_AT_ONCE = 3
"""Probes of what may not fit: the first answers tell most of the others."""
DEAR = 0.1
"""Share of a training that a probe of one configuration may cost."""
FITS = 0.9
"""Probability of running at all from which no probe has to ask."""
WELL_KNOWN = 0.05
"""Standard deviation of the logarithm of a time that needs no probe."""
MAX_COMPARED = 2
"""Trained configurations that are probed to learn how far probed times are from trained ones."""
USELESS = 0.3
"""Relative standard error of probed times with which no more are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStep:
    """The decision to time these configurations."""

    configs: tuple[TrialConfig, ...]


def first_probe(predictions: Predictions, cost_s: float) -> ProbeStep | None:
    """A probe of candidates all over the space, if there was none and it costs less than half a training.

    Where probed times are only in proportion to trained ones, a probe of what was trained comes before it: it
    tells the factor, and what a probe costs.

    Args:
        predictions: About the candidates.
        cost_s: Seconds that a probed configuration takes.
    """
    baseline = predictions.measured.get(predictions.problem.baseline)
    if predictions.problem.traits.probes_in_proportion:
        if not predictions.probes:
            return _comparing_probe(predictions)
        if len(predictions.probes) > MAX_COMPARED or predictions.probe_error > USELESS:
            return None
    elif predictions.probes:
        return None
    if baseline is not None and _is_dear(cost_s, baseline):
        return None
    candidates = predictions.candidates
    rows = spread_out(candidates.time_points, PROBES_AT_ONCE)
    wanted = [candidates.configs[row] for row in rows if candidates.configs[row] not in predictions.probes]
    return ProbeStep(configs=tuple(wanted)) if wanted else None


def _comparing_probe(predictions: Predictions) -> ProbeStep | None:
    """A probe of the baseline and of what else was trained, unless their set-up says that none will pay."""
    measured, baseline = predictions.measured, predictions.problem.baseline
    if baseline not in measured:
        return None
    last = measured[baseline].records[0].last
    assert last is not None  # it was measured
    if _is_dear(2 * (last.setup_time_s + last.warmup_time_s), measured[baseline]):
        return None
    others = [config for config in measured if config != baseline]
    return ProbeStep(configs=(baseline, *others)[:MAX_COMPARED])


def _is_dear(cost_s: float, baseline: Estimate) -> bool:
    return PROBES_AT_ONCE * cost_s >= 0.5 * baseline.time_s


def memory_probe(
    predictions: Predictions, values: Floats, values_if_it_fits: Floats, cost_s: float
) -> ProbeStep | None:
    """A probe of candidates that would be worth more than any other if they fitted, which is not known.

    Args:
        predictions: About the candidates.
        values: Their acquisition (candidates,).
        values_if_it_fits: The same of a candidate that runs and keeps the limits (candidates,).
        cost_s: Seconds that a probed configuration takes.
    """
    configs, known = predictions.candidates.configs, predictions.probes
    is_unknown = (predictions.runs > 0.0) & (predictions.runs < FITS)
    is_better = values_if_it_fits * predictions.goal.keeping > max(values.max(), 1e-12)
    order = np.argsort(-values_if_it_fits)
    wanted = [
        configs[row]
        for row in order[: 4 * PROBES_AT_ONCE]
        if is_unknown[row]
        and is_better[row]
        and configs[row] not in known
        and cost_s <= DEAR * predictions.cost_s[row]
    ]
    return ProbeStep(configs=tuple(wanted[:MEMORY_PROBES_AT_ONCE])) if wanted else None


def useful_probe(predictions: Predictions, values: Floats, hopes: Floats, cost_s: float) -> ProbeStep | None:
    """A probe of candidates whose time is not known well, and which may be worth more than any other.

    Args:
        predictions: About the candidates.
        values: Their acquisition, 0 where they are not worthwhile (candidates,).
        hopes: The same if each one's time is as short as it may well be (candidates,).
        cost_s: Seconds that a probed configuration takes.
    """
    if predictions.probe_error > USELESS:
        return None
    configs, known = predictions.candidates.configs, predictions.probes
    is_unknown = (predictions.time_spread > WELL_KNOWN) & (cost_s <= DEAR * predictions.cost_s)
    is_hoped = is_unknown & (hopes > values.max())
    hoped = np.flatnonzero(is_hoped)
    best_first = hoped[np.argsort(-hopes[hoped], kind="stable")]
    wanted = [configs[row] for row in best_first if configs[row] not in known]
    return ProbeStep(configs=tuple(wanted[:PROBES_AT_ONCE])) if wanted else None
