"""Limits on figures that trials report, absolute or relative to the measured baseline.

A limit is deterministic as far as it is judged here: what the runs of a configuration showed, on average or
at worst, is within the bound or not. NRMSE, whose mean over seeds is uncertain, has its target instead.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from statistics import fmean
from typing import get_args, get_type_hints

from tuner.core.bounds import read_bound
from tuner.core.estimate import Estimate
from tuner.core.measurement import Measurement
from tuner.core.trial import TrialRecord
from tuner.errors import SpecError

_OF_ONE_EPOCH = ("epoch_time_s", "step_time_median_s", "step_time_mad_s")
_NO_FIGURES = ("epoch", "nrmse", "start_nrmse", "reported_quality", *_OF_ONE_EPOCH)
_HINTS = get_type_hints(Measurement)

METRICS = tuple(
    name
    for name, hint in _HINTS.items()
    if {int, float} & {hint, *get_args(hint)} and name not in _NO_FIGURES
)
"""The figures that may be limited: every number of a report that speaks of the whole trial."""

PEAKS = ("peak_memory_gib", "peak_reserved_gib", "gpu_memory_gib", "temperature_c")
"""Figures of which the worst moment of the worst run counts; of others the runs' mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A bound on a reported figure, such as `peak_memory_gib <= 38` or `energy_j <= 0.8 * baseline`.

    Attributes:
        text: The limit, as written.
        metric: One of `METRICS`.
        bound: The bound itself, or the factor on what the baseline measured.
        is_upper: True for `<` and `<=`.
        is_strict: True for `<` and `>`.
        is_relative: True when `bound` is a factor on the baseline.
    """

    text: str
    metric: str
    bound: float
    is_upper: bool
    is_strict: bool
    is_relative: bool

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Reads a limit from text.

        Raises:
            SpecError: The text has neither form, names a figure that no stage reports, or its bound is not a
                usable number.
        """
        fix = "write `peak_memory_gib <= 38` or `energy_j <= 0.8 * baseline`."
        read = read_bound(text, what="limit", fix=fix, operators=("<", "<=", ">", ">="))
        _check_metric(read.metric, text)
        if not math.isfinite(read.value) or (read.value <= 0 if read.is_relative else read.value < 0):
            raise SpecError(f"the bound of the limit {text!r} is not positive.", fix)
        return cls(
            text=text.strip(),
            metric=read.metric,
            bound=read.value,
            is_upper=read.operator.startswith("<"),
            is_strict="=" not in read.operator,
            is_relative=read.is_relative,
        )

    def figure(self, estimate: Estimate) -> float | None:
        """Returns the figure of a configuration to hold against the limit; None if no run reported it."""
        if self.metric == "time_s":
            return estimate.time_s
        runs = [record for record in estimate.records if record.is_timed]
        seen = [value for r in runs if (value := reported(r, self.metric)) is not None]
        if not seen:
            return None
        worst = max(seen) if self.is_upper else min(seen)
        return worst if self.metric in PEAKS else fmean(seen)

    def threshold(self, baseline: Estimate | None) -> float | None:
        """The bound in the metric's unit; None while it is relative and the baseline lacks the figure."""
        if not self.is_relative:
            return self.bound
        figure = None if baseline is None else self.figure(baseline)
        return None if figure is None else self.bound * figure

    def breach(self, estimate: Estimate, baseline: Estimate | None) -> Breach | None:
        """Returns how a configuration breaks the limit; None if it keeps it. An unknown figure breaks it."""
        value, threshold = self.figure(estimate), self.threshold(baseline)
        if value is not None and threshold is not None and self.allows(value, threshold):
            return None
        return Breach(limit=self, value=value, threshold=threshold)

    def allows(self, value: float, threshold: float) -> bool:
        """Whether a value is within a bound in its unit."""
        if value == threshold:
            return not self.is_strict
        return (value < threshold) == self.is_upper


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A limit that a configuration does not keep, as far as is known.

    Attributes:
        limit: The limit that is broken.
        value: The figure that was measured; None if none was.
        threshold: The bound; None while it is not known.
    """

    limit: Limit
    value: float | None
    threshold: float | None

    @property
    def excess(self) -> float:
        """The distance from the bound as a share of the larger of the two, 0 to 1; 1 if one is unknown."""
        if self.value is None or self.threshold is None:
            return 1.0
        return abs(self.value - self.threshold) / max(abs(self.value), abs(self.threshold), 1e-300)

    @property
    def is_measured(self) -> bool:
        """Whether the limit is broken, rather than unknown."""
        return self.value is not None and self.threshold is not None


def reported(record: TrialRecord, metric: str) -> float | None:
    """A figure of one trial so far, its last for what adds up or is a mean; None when it was not reported."""
    seen = [value for m in record.measurements if (value := getattr(m, metric)) is not None]
    if not seen or (metric == "peak_memory_gib" and not any(seen)):  # its 0 stands for not measured
        return None
    if metric in PEAKS:
        return float(max(seen))
    last = getattr(record.measurements[-1], metric)
    return None if last is None else float(last)


def _check_metric(name: str, text: str) -> None:
    if name == "nrmse":
        raise SpecError(
            f"the limit {text!r} is on nrmse, which has the study's target.", f"write target: {text.strip()}."
        )
    if name not in METRICS:
        close = difflib.get_close_matches(name, METRICS, n=1)
        where = "see docs/study-yaml.md, `limits`; the study's own metric has its `target`."
        fix = f"did you mean {close[0]!r}?" if close else where
        raise SpecError(f"the limit {text!r} is on {name!r}, which no stage reports of a trial.", fix)
