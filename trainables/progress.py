"""What a trial has measured and counted so far: grows with its epochs, becomes its results and checkpoints.

Knows the names under which a trial reports. Does not know the stage, Ray or files.
"""

from __future__ import annotations

import math
import os
from typing import Any

from trainables.telemetry import device
from trainables.telemetry.clock import PhaseClock, synchronizer
from trainables.telemetry.gpu import GpuMonitor
from trainables.telemetry.memory import MemoryMeter
from trainables.telemetry.steps import event_factory
from trainables.telemetry.watch import TrialWatch
from trainables.trial import EpochCounts, Outcome

PHASES = {
    "train": "",
    "evaluate": "evaluate_",
    "setup": "setup_",
    "warm_up": "warmup_",
    "checkpoint": "checkpoint_",
}
"""Phases, and what their keys begin with; data wait, a part of ``train``, is in ``TrialWatch``."""

_CARRIED_PHASES = ("train", "evaluate", "checkpoint")


class TrialProgress:
    """One trial's clock, watch and counts.

    Attributes:
        clock: Times the phases of ``PHASES``.
        watch: Watches the training ones.
        epoch: The epoch under way or last trained, from 1; 0 before.
        counts: Work of all epochs.
        resumed: Whether it was restored from a checkpoint.

    Args:
        device_kind: ``cuda`` or ``cpu``.
        card: The card that is watched.
        meter: Its memory, reset before the trial starts.
    """

    def __init__(self, device_kind: str, card: GpuMonitor, meter: MemoryMeter) -> None:
        self.clock = PhaseClock(synchronizer(device_kind), event_factory(device_kind))
        self.watch = TrialWatch(card, device_kind)
        self.epoch = 0
        self.counts = EpochCounts()
        self.resumed = False
        self._device_name = device.device_name(device_kind)
        self._epoch_time_s = math.nan
        self._meter = meter
        self._memory_at_oom: dict[str, Any] = {}

    def begin_epoch(self) -> None:
        """The next epoch is under way."""
        self.epoch += 1
        self._epoch_time_s = math.nan

    def finish_epoch(self, counts: EpochCounts) -> None:
        """It was trained and did so much."""
        self._epoch_time_s = self.clock.last("train").wall_s
        self.counts = self.counts.plus(counts)

    def keep_memory(self) -> None:
        """Holds on to the memory figures of now: the trial ran out, and is about to be freed."""
        self._memory_at_oom = self._memory()

    def result(self, outcome: Outcome, num_epochs: int) -> dict[str, Any]:
        """The dict that Ray and the study see; ``docs/stage.md`` explains every key."""
        return {
            "status": outcome.status,
            "error": outcome.error,
            "epoch": max(1, self.epoch),
            "nrmse": outcome.nrmse,
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
            "done": outcome.status != "ok" or self.epoch >= num_epochs,
        }

    def state_dict(self) -> dict[str, Any]:
        """What a resumed trial's figures begin with."""
        return {
            "epoch": self.epoch,
            "counts": self.counts,
            "clock": self.clock.state_dict(),
            "watch": self.watch.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues; from now on ``resumed`` is True, since the times are of two processes."""
        self.resumed = True
        self.epoch = state["epoch"]
        self.counts = state["counts"]
        self.clock.add(state["clock"], _CARRIED_PHASES)
        self.watch.load_state_dict(state["watch"])

    def _times(self) -> dict[str, float | None]:
        """Wall, process CPU and device seconds of every phase."""
        times: dict[str, float | None] = {}
        for phase, start in PHASES.items():
            spent = self.clock.total(phase)
            times[f"{start}time_s"] = spent.wall_s
            times[f"{start}cpu_time_s"] = spent.cpu_s
            times[f"{start}device_time_s"] = spent.device_s
        return times

    def _memory(self) -> dict[str, Any]:
        """The peak, and what the device's allocator says beside it (None on a CPU)."""
        return {
            "peak_memory_gib": self._meter.peak_gib(),
            "peak_reserved_gib": self._meter.peak_reserved_gib(),
            "num_alloc_retries": self._meter.num_alloc_retries(),
        }
