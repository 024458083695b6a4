"""The figures of a script's trial: time by its own clock or by ours, memory, and whether others disturbed it.

Knows the metrics that were read and when. Does not know lines, processes or folders.
"""

from __future__ import annotations

import math
from typing import Any

from trainables.command.epochs import check_clock
from trainables.command.metrics import Metrics
from trainables.command.options import CommandOptions
from trainables.command.usage import Usage
from trainables.telemetry.contention import CpuUse, judge
from trainables.telemetry.sampler import GpuUsage
from trainables.telemetry.steps import StepTimes

LEAST_S = 1e-6
"""Seconds that are put between two epochs whose lines were read together."""


class ScriptFigures:
    """Keeps what an epoch's metrics say, and checks its clock against ours.

    Args:
        options: The stage's options.
        num_epochs: Epochs of the whole trial.

    Attributes:
        nrmse: NRMSE that the script reported last; NaN if none.
        peak_memory_gib: Largest memory that the script reported; 0 if none.
    """

    def __init__(self, options: CommandOptions, num_epochs: int) -> None:
        self._options, self._num_epochs = options, num_epochs
        self.nrmse = math.nan
        self.peak_memory_gib = 0.0
        self._time_s, self._epoch_time_s = 0.0, math.nan
        self._contended_by = self._read_together = ""
        self.begin(0.0, Usage(run_delay_s=0.0))

    def begin(self, at_s: float, usage: Usage) -> None:
        """Notes when training begins, and what the script's processes have used until then."""
        self._began_s = self._at_s = at_s
        self._cpu_before_s, self._usage = usage.cpu_s, usage

    def take(self, found: Metrics, at_s: float, usage: Usage, *, is_last: bool) -> None:
        """Keeps an epoch's figures, and judges from the script's own waiting if it was disturbed.

        Args:
            found: The metrics.
            at_s: When they were read, seconds of our clock.
            usage: What the script's processes have used until then.
            is_last: Whether the epoch is the trial's last.

        Raises:
            ValueError: The clock cannot be, or no time could be measured; the message has the fix.
        """
        at_s = self._later(found, at_s, is_last=is_last)
        wall_s = at_s - self._at_s
        self._check_clock(found, wall_s)
        self._contended_by = self._contended_by or self._disturbed_by(wall_s, usage)
        self._at_s, self._usage = at_s, usage
        self.nrmse = found.get("nrmse", math.nan)
        before_s = self._time_s
        self._time_s = found.get("time_s", at_s - self._began_s)
        self._epoch_time_s = self._time_s - before_s
        self.peak_memory_gib = max(self.peak_memory_gib, found.get("peak_memory_gib", 0.0))

    def over(self, result: dict[str, Any]) -> dict[str, Any]:
        """Returns a report of this process with the script's clock, memory and disturbance instead."""
        own = {
            "time_s": self._time_s,
            "cpu_time_s": max(0.0, self._usage.cpu_s - self._cpu_before_s),
            "peak_memory_gib": self.peak_memory_gib or result["peak_memory_gib"],
        }
        if result["status"] == "ok":
            own["epoch_time_s"] = self._epoch_time_s
        said = (result["contended_reason"], self._contended_by, self._read_together)
        reasons = [reason for reason in said if reason]
        return result | own | {"contended": bool(reasons), "contended_reason": "; ".join(reasons)}

    def _disturbed_by(self, wall_s: float, usage: Usage) -> str:
        if usage.run_delay_s is None or self._usage.run_delay_s is None:
            return ""
        return judge(
            wall_s=wall_s,
            cpu_s=usage.cpu_s - self._usage.cpu_s,
            cpu=CpuUse(run_delay_s=usage.run_delay_s - self._usage.run_delay_s, num_preempted=0),
            load_average=0.0,  # judged for every stage already
            num_cores=1,
            steps=StepTimes(),
            gpu=GpuUsage(),
        )

    def _later(self, found: Metrics, at_s: float, *, is_last: bool) -> float:
        """Returns when a line came; a moment after the line before it if both were read together.

        Lines are read together if the script does not flush them, or if this process got no core for longer
        than an epoch takes. The total is still right, unless no two lines were read apart.
        """
        if at_s > self._at_s or "time_s" in found:
            return at_s
        self._read_together = "lines of several epochs were read at the same moment"
        at_s = self._at_s + LEAST_S
        if is_last and at_s - self._began_s < 2 * self._num_epochs * LEAST_S:
            raise ValueError(
                "all its lines came at the same moment, so no time could be measured. Fix: make the "
                "script flush each line, or name its own clock in keys.time_s."
            )
        return at_s

    def _check_clock(self, found: Metrics, wall_s: float) -> None:
        """Raises ValueError unless the script's own clock, where it has one, agrees with ours."""
        if "time_s" not in found:
            return
        is_first = self._at_s == self._began_s
        check_clock(
            self._time_s,
            found["time_s"],
            wall_s,
            is_wall_all_training=bool(self._options.start) or not is_first,
            is_from_start=bool(self._options.start) and is_first,
            name="time_per_epoch" if self._options.keys.get("time_per_epoch") else "time_s",
        )
