"""The instruments that measure a process's trials on its device: memory, card, clock.

Knows which there are for a stage that computes in this process. A stage that starts programs has others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from trainables.telemetry.clock import synchronizer
from trainables.telemetry.gpu import GpuMonitor, NullMonitor, gpu_monitor
from trainables.telemetry.memory import MemoryMeter, memory_meter
from trainables.telemetry.steps import event_factory


def _nothing_to_wait_for() -> None:
    """Waits for nothing: all work is done when the call returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """What measures the trials of a process.

    Attributes:
        meter: Meter of the device's memory.
        card: The card that is watched while epochs train.
        synchronize: Waits until the device has finished everything asked of it so far.
        new_event: Makes a CUDA event with time; None without CUDA in this process.
    """

    meter: MemoryMeter
    card: GpuMonitor = field(default_factory=NullMonitor)
    synchronize: Callable[[], None] = _nothing_to_wait_for
    new_event: Callable[[], Any] | None = None

    @classmethod
    def of_this_process(cls, device_kind: str) -> Self:
        """Makes those of a stage that trains in this process, by torch, on ``cuda`` or ``cpu``."""
        return cls(
            meter=memory_meter(device_kind),
            card=gpu_monitor(device_kind),
            synchronize=synchronizer(device_kind),
            new_event=event_factory(device_kind),
        )

    def close(self) -> None:
        """Lets thread and driver go; harmless when called twice."""
        self.meter.close()
        self.card.close()
