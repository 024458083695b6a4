"""Watches everything while epochs train: steps, card, cores, and what disturbed them.

Knows the names under which a trial reports these figures. Does not know stages or checkpoints' files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trainables.telemetry.clock import PhaseClock, PhaseTime
from trainables.telemetry.contention import CpuUse, judge
from trainables.telemetry.gpu import GpuMonitor
from trainables.telemetry.sampler import GpuSampler, GpuUsage
from trainables.telemetry.steps import StepTimer, StepTimes


class TrialWatch:
    """Watches one trial; memory does not grow with its epochs.

    Attributes:
        steps: The timer with which the stage marks its steps.

    Args:
        monitor: The card.
        new_event: Makes a CUDA event with time (see ``steps.event_factory``); None without CUDA.
    """

    def __init__(self, monitor: GpuMonitor, new_event: Callable[[], Any] | None = None) -> None:
        self.steps = StepTimer(new_event)
        self._sampler = GpuSampler(monitor)
        self._gpu = GpuUsage()
        self._last = StepTimes()
        self._data_wait: PhaseTime | None = None
        self._contended_by = ""

    @contextmanager
    def epoch(self, clock: PhaseClock) -> Iterator[None]:
        """Runs the body as phase ``train`` of ``clock``; readings are taken outside of its time."""
        seen = GpuUsage()
        before = CpuUse.now()
        with self._sampler.watch(seen, self._gpu), clock.phase("train"):
            self.steps.start()
            yield
        used = CpuUse.now().since(before)
        self._last = self.steps.finish()
        if self._last.data_wait is not None:
            self._data_wait = (self._data_wait or PhaseTime()) + self._last.data_wait
        spent = clock.last("train")
        reason = judge(
            wall_s=spent.wall_s,
            cpu_s=spent.cpu_s,
            cpu=used,
            load_average=os.getloadavg()[0],
            num_cores=os.cpu_count() or 1,
            steps=self._last,
            gpu=seen,
        )
        self._contended_by = self._contended_by or reason

    def figures(self) -> dict[str, Any]:
        """Returns the keys of a result that come from here; a figure that could not be measured is None."""
        gpu = self._gpu
        return {
            "step_time_median_s": self._last.median_s,
            "step_time_mad_s": self._last.mad_s,
            "data_wait_s": None if self._data_wait is None else self._data_wait.wall_s,
            "data_wait_cpu_s": None if self._data_wait is None else self._data_wait.cpu_s,
            "contended": bool(self._contended_by),
            "contended_reason": self._contended_by,
            "gpu_util_pct": gpu.mean("util_pct"),
            "gpu_memory_gib": gpu.highest("memory_gib"),
            "power_w": gpu.mean("power_w"),
            "energy_j": gpu.energy_j,
            "temperature_c": gpu.highest("temperature_c"),
            "sm_clock_mhz": gpu.mean("sm_clock_mhz"),
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns the figures with which a resumed trial begins."""
        return {"gpu": self._gpu, "data_wait": self._data_wait, "contended_by": self._contended_by}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues with the figures from before the trial was interrupted."""
        self._gpu = state["gpu"]
        self._data_wait = state["data_wait"]
        self._contended_by = state["contended_by"]
