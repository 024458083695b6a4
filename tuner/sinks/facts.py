"""A trial's record as the plain figures and words that sinks write."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal
from tuner.core.limits import Breach
from tuner.core.measurement import Measurement, Status
from tuner.core.metric import NRMSE, Metric
from tuner.core.recommend import baseline_estimate
from tuner.core.trial import Purpose, TrialRecord, TrialState

_NO_CURVES = ("epoch", "nrmse", "start_nrmse", "reported_quality")
_OF_THE_DEVICE = (
    "cpu_time_s",
    "load_average",
    "gpu_util_pct",
    "gpu_memory_gib",
    "power_w",
    "energy_j",
    "temperature_c",
    "sm_clock_mhz",
)


def curves(measurement: Measurement, metric: Metric = NRMSE) -> dict[str, float]:
    """Returns every figure of an epoch that was measured; empty for an epoch that did not go well.

    Args:
        measurement: The report after the epoch.
        metric: The study's quality figure, which stands under its own name.

    Returns:
        By `epoch/<name>`, or `device/<name>` for what the machine was doing.
    """
    if measurement.status is not Status.OK:
        return {}
    quality = {f"epoch/{metric.name}": float(metric.of(measurement))}
    return quality | {
        f"{'device' if name in _OF_THE_DEVICE else 'epoch'}/{name}": float(value)
        for name, value in asdict(measurement).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in _NO_CURVES
    }


def facts(record: TrialRecord) -> dict[str, Any]:
    """Describes a trial beside its parameters and values: plain JSON values, nothing that is not known."""
    known: dict[str, Any] = {
        "trial_id": record.trial_id,
        "purpose": record.purpose.value,
        "seed": record.seed,
    }
    if record.state is TrialState.RUNNING:
        return known
    known |= {
        "state": record.state.value,
        "censored": record.is_censored,
        "num_epochs_run": record.epoch,
        "reason": record.reason,
        "constraint": record.constraint,
        "peak_memory_gib": record.peak_memory_gib or None,
        "projected_time_s": record.projected_time_s or None,
        "contended": record.is_contended or None,
        "device": record.last.device if record.last else None,
    }
    return {name: value for name, value in known.items() if value not in (None, "")}


class Judge:
    """Judges trials one by one as they end, by what is known of the baseline until then.

    Args:
        goal: The goal of the study.
    """

    def __init__(self, goal: Goal) -> None:
        self._goal = goal
        self._baseline_config: TrialConfig | None = None
        self._records: dict[str, TrialRecord] = {}

    def heard(self, record: TrialRecord) -> None:
        """Takes a trial's newest record; keeps the baseline's, which is asked first."""
        if record.purpose is Purpose.BASELINE:
            self._baseline_config = record.config
        if record.config == self._baseline_config:
            self._records[record.trial_id] = record

    def values(self, record: TrialRecord) -> tuple[float, float] | None:
        """Objective and quality figure of a trial that may win; None of any other."""
        if not record.is_full_budget:
            return None
        value = self._goal.value(_alone(record), self._baseline)
        return None if value is None else (value, self._goal.metric.newest(record))

    def constraints(self, record: TrialRecord) -> Mapping[str, float]:
        """Computes by how far a trial that may win misses target and limits; at most 0 for what it keeps."""
        return dict(self._constraints(record))

    def misses(self, record: TrialRecord) -> list[str]:
        """The target and the limits that a trial that may win does not keep."""
        return [name for name, excess in self._constraints(record) if excess > 0]

    def _constraints(self, record: TrialRecord) -> Iterator[tuple[str, float]]:
        alone, baseline = _alone(record), self._baseline
        yardstick = baseline.nrmse if baseline else None
        threshold, target = self._goal.target.threshold(yardstick), self._goal.target
        excess = 1.0 if threshold is None else self._goal.metric.excess(record.nrmse, threshold)
        yield target.text, _signed(excess, is_kept=target.is_met(record.nrmse, yardstick))
        for limit in self._goal.limits:
            breach = limit.breach(alone, baseline)
            kept = Breach(limit=limit, value=limit.figure(alone), threshold=limit.threshold(baseline))
            yield limit.text, _signed((breach or kept).excess, is_kept=breach is None)

    @property
    def names(self) -> Sequence[str]:
        """The names of `constraints`, in their order."""
        return [self._goal.target.text, *(limit.text for limit in self._goal.limits)]

    @property
    def _baseline(self) -> Estimate | None:
        return baseline_estimate(list(self._records.values()))


def _alone(record: TrialRecord) -> Estimate:
    return Estimate(records=(record,))


def _signed(excess: float, *, is_kept: bool) -> float:
    """Returns a number at most 0 if a bound is kept, above 0 if not, at equality too."""
    size = abs(excess)
    return -size if is_kept else max(size, math.ulp(1.0))
