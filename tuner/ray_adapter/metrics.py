"""The study as Prometheus metrics on the node's metrics port (Ray puts `ray_` before every name).

Only study-level values, so that the number of series does not grow with the number of trials.
"""

from __future__ import annotations

from collections import Counter

from ray.util.metrics import Gauge

from tuner.advisor import Advisor
from tuner.core.trial import TrialRecord, TrialState


class StudyMetrics:
    """A listener that keeps the gauges at the advisor's state; make it after Ray has been started."""

    def __init__(self, advisor: Advisor) -> None:
        self._advisor = advisor
        self._tags = {"study": advisor.study.name}
        self._trials = Gauge("distill_trials", "Trials by state.", ("study", "state"))
        self._time = Gauge("distill_best_time_seconds", "time_s of the best feasible trial.", ("study",))
        self._metric = advisor.study.metric
        name, label = self._metric.name, self._metric.label
        self._quality = Gauge(f"distill_best_{name}", f"{label} of the best feasible trial.", ("study",))
        self._speedup = Gauge(
            "distill_speedup", "The baseline's objective over the recommended one's.", ("study",)
        )

    def __call__(self, _changed: TrialRecord) -> None:
        """Sets every gauge to its current value."""
        counts = Counter(record.state for record in self._advisor.records)
        for state in TrialState:
            self._trials.set(counts[state], self._tags | {"state": state.value})
        if best := self._advisor.incumbent:
            self._time.set(best.time_s, self._tags)
            self._quality.set(self._metric.value(best.nrmse), self._tags)
        found = self._advisor.recommend()
        if found and found.speedup is not None:
            self._speedup.set(found.speedup, self._tags)
