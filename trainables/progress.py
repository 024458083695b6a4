"""Collects what a trial has measured and counted so far, and turns it into results and checkpoints.

Knows the names under which a trial reports. Does not know the stage, Ray or files.
"""

from __future__ import annotations

import math
import os
from typing import Any

from foundation import quality_name
from trainables.telemetry.clock import PhaseClock
from trainables.telemetry.instruments import Instruments
from trainables.telemetry.watch import TrialWatch
from trainables.trial import EpochCounts, EpochResult

PHASES = {
    "train": "",
    "evaluate": "evaluate_",
    "setup": "setup_",
    "warm_up": "warmup_",
    "checkpoint": "checkpoint_",
}
"""Phases and the prefixes of their keys; data wait, a part of ``train``, is in ``TrialWatch``."""

_CARRIED_PHASES = ("train", "evaluate", "checkpoint")


class TrialProgress:
    """One trial's clock, watch and counts.

    Attributes:
        clock: Times the phases of ``PHASES``.
        watch: Watches the training phases.
        epoch: The epoch under way or last trained, from 1; 0 before.
        counts: Work executed in all epochs.
        resumed: Whether it was restored from a checkpoint.
        start_nrmse: NRMSE of the untrained start; None if it was not measured.

    Args:
        instruments: Those that measure; the meter is reset before the trial starts.
        device_name: Name of the device, as the stage describes it.
    """

    def __init__(self, instruments: Instruments, device_name: str) -> None:
        self.clock = PhaseClock(instruments.synchronize, instruments.new_event)
        self.watch = TrialWatch(instruments.card, instruments.new_event)
        self.epoch = 0
        self.counts = EpochCounts()
        self.resumed = False
        self.start_nrmse: float | None = None
        self._device_name = device_name
        self._epoch_time_s = math.nan
        self._meter = instruments.meter
        self._memory_at_oom: dict[str, Any] = {}

    def begin_epoch(self) -> None:
        """Notes that the next epoch is under way."""
        self.epoch += 1
        self._epoch_time_s = math.nan

    def finish_epoch(self, counts: EpochCounts) -> None:
        """Notes the work of the epoch that was just trained."""
        self._epoch_time_s = self.clock.last("train").wall_s
        self.counts = self.counts.plus(counts)

    def keep_memory(self) -> None:
        """Keeps the current memory figures: the trial ran out of memory, and is about to be freed."""
        self._memory_at_oom = self._memory()

    def result(
        self, epoch_result: EpochResult, num_epochs: int, quality: str = quality_name.DEFAULT
    ) -> dict[str, Any]:
        """Returns the dict that Ray and the study see; ``docs/stage.md`` explains every key.

        Args:
            epoch_result: The epoch's outcome.
            num_epochs: Full budget of the trial.
            quality: Name under which its quality figure stands.
        """
        return {
            "status": epoch_result.status,
            "error": epoch_result.error,
            "epoch": max(1, self.epoch),
            quality: epoch_result.nrmse,
            "start_nrmse": self.start_nrmse,
            "loss": self.counts.loss,
            "epoch_time_s": self._epoch_time_s,
            **self._times(),
            **(self._memory_at_oom or self._memory()),
            **self.watch.figures(),
            "num_chunks": self.counts.num_chunks,
            "num_sample_evals": self.counts.num_sample_evals,
            "num_optimizer_steps": self.counts.num_optimizer_steps,
            "resumed": self.resumed,
            "device": self._device_name,
            "load_average": os.getloadavg()[0],
            "done": epoch_result.status != "ok" or self.epoch >= num_epochs,
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns the figures with which a resumed trial begins."""
        return {
            "epoch": self.epoch,
            "counts": self.counts,
            "start_nrmse": self.start_nrmse,
            "clock": self.clock.state_dict(),
            "watch": self.watch.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a checkpoint; ``resumed`` is then True, since the times are from two processes."""
        self.resumed = True
        self.epoch = state["epoch"]
        self.counts = state["counts"]
        self.start_nrmse = state.get("start_nrmse")  # none in a checkpoint of before it was kept
        self.clock.add(state["clock"], _CARRIED_PHASES)
        self.watch.load_state_dict(state["watch"])

    def _times(self) -> dict[str, float | None]:
        """Returns wall, process CPU and device seconds of every phase."""
        times: dict[str, float | None] = {}
        for phase, start in PHASES.items():
            spent = self.clock.total(phase)
            times[f"{start}time_s"] = spent.wall_s
            times[f"{start}cpu_time_s"] = spent.cpu_s
            times[f"{start}device_time_s"] = spent.device_s
        return times

    def _memory(self) -> dict[str, Any]:
        """Returns peak memory, and the figures of the device's allocator (None on a CPU)."""
        return {
            "peak_memory_gib": self._meter.peak_gib(),
            "peak_reserved_gib": self._meter.peak_reserved_gib(),
            "num_alloc_retries": self._meter.num_alloc_retries(),
        }
