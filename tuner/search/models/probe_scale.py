"""How far the epoch times of probes may be believed, and by which factor they differ from those of trainings.

A stage that times pieces of an epoch tells seconds. A script that was told to do few steps tells what is in
proportion to them: a training also evaluates, saves and logs. The factor between the two is learnt from the
configurations that were both probed and trained, the baseline first, and so is how much it scatters.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from statistics import fmean
from typing import NamedTuple

from tuner.core.config import TrialConfig
from tuner.core.traits import StageTraits
from tuner.search.observations import Observations, Probed

PROBE_ERROR = 0.03
"""Relative standard error of a probed epoch time (docs/log/index.md, benchmarks.probe)."""

FACTOR_SCATTER = 0.1
"""Standard deviation of the factor's logarithm between configurations, before any was seen."""
NUM_AS_PRIOR = 2
"""Configurations for which that counts."""
FACTOR_UNKNOWN = 0.7
"""The same before any configuration was both probed and trained."""


class ProbeScale(NamedTuple):
    """The factor from probed to trained seconds an epoch, and its relative standard error."""

    factor: float = 1.0
    error: float = PROBE_ERROR

    def error_of(self, probed: Probed) -> float:
        """Returns the relative standard error of one probe, which is no smaller than the stage says."""
        return max(self.error, probed.error)


def probe_scale(
    observations: Observations, probed: Collection[TrialConfig], traits: StageTraits
) -> ProbeScale:
    """Returns what probes are worth.

    Args:
        observations: The trials and probes.
        probed: Configurations of the probes that count.
        traits: Of the stage: whether times of its probes are only in proportion to those of trainings.
    """
    if not traits.probes_in_proportion:
        return ProbeScale()
    probed_s = {c: s for c in probed if (s := observations.probes[c].epoch_time_s)}
    trained_s, disturbed = observations.mean_epoch_s, observations.disturbed
    both = [config for config in probed_s if config in trained_s]
    both = [config for config in both if config not in disturbed] or both
    if not both:
        level = (
            _mean_log(trained_s.values()) - _mean_log(probed_s.values()) if trained_s and probed_s else 0.0
        )
        return ProbeScale(math.exp(level), FACTOR_UNKNOWN)
    logs = [math.log(trained_s[config] / probed_s[config]) for config in both]
    mean, num = fmean(logs), len(logs)
    squares = NUM_AS_PRIOR * FACTOR_SCATTER**2 + sum((log - mean) ** 2 for log in logs)
    variance = squares / (NUM_AS_PRIOR + num - 1)
    return ProbeScale(math.exp(mean), math.sqrt(variance * (1 + 1 / num)))


def _mean_log(seconds: Collection[float]) -> float:
    return fmean(map(math.log, seconds))
