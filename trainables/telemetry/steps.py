"""Steps times without waiting for the device at each step, and the time spent waiting for data.

Knows clocks and CUDA events. Does not know what a step is: the stage marks where one ends.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from trainables.telemetry.clock import PhaseTime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """Steps times of one epoch; None if the stage marked fewer than two steps or never waited for data.

    Attributes:
        num_steps: Number of steps marked.
        median_s: Median seconds of a step.
        mad_s: Median absolute deviation from the median, in seconds.
        data_wait: Wall and process CPU seconds in ``data_wait``.
    """

    num_steps: int = 0
    median_s: float | None = None
    mad_s: float | None = None
    data_wait: PhaseTime | None = None


class StepTimer:
    """Times steps between marks: by the clock, or on CUDA by events in the stream.

    A mark is a clock reading, or an event that the device records when it gets there: nothing waits.
    Events are kept and used again in the next epoch.

    Args:
        new_event: Makes a CUDA event; None times by the clock.
    """

    def __init__(self, new_event: Callable[[], Any] | None = None) -> None:
        self._new_event = new_event
        self._events: list[Any] = []
        self._times: list[float] = []
        self._num_marks = 0
        self._wait: PhaseTime | None = None

    def start(self) -> None:
        """Begins an epoch: the first step starts now."""
        self._times.clear()
        self._num_marks = 0
        self._wait = None
        self.mark()

    def mark(self) -> None:
        """Ends a step here; a stage calls it after every optimizer step."""
        if self._new_event is None:
            self._times.append(time.perf_counter())
        else:
            if self._num_marks == len(self._events):
                self._events.append(self._new_event())
            self._events[self._num_marks].record()
        self._num_marks += 1

    @contextmanager
    def data_wait(self) -> Iterator[None]:
        """Counts the body as waiting for data."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        waited = PhaseTime(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)
        self._wait = (self._wait or PhaseTime()) + waited

    def finish(self) -> StepTimes:
        """Ends the epoch; the device must have been waited for."""
        steps = self._steps_s()
        if len(steps) < 2:
            return StepTimes(num_steps=len(steps), data_wait=self._wait)
        median, mad = median_and_mad(steps)
        return StepTimes(num_steps=len(steps), median_s=median, mad_s=mad, data_wait=self._wait)

    def _steps_s(self) -> list[float]:
        if self._new_event is None:
            return [b - a for a, b in pairwise(self._times)]
        used = self._events[: self._num_marks]
        return [a.elapsed_time(b) / 1000.0 for a, b in pairwise(used)]


def median_and_mad(values: Sequence[float]) -> tuple[float, float]:
    """Returns the median and the median absolute deviation (not scaled to a standard deviation)."""
    median = statistics.median(values)
    return median, statistics.median(abs(value - median) for value in values)


def event_factory(device_kind: str) -> Callable[[], Any] | None:
    """Returns the function that makes CUDA events with times; None on a ``cpu``."""
    if device_kind != "cuda":
        return None
    import torch  # only where a CUDA device is used

    event: Any = torch.cuda.Event  # its constructor is untyped
    return lambda: event(enable_timing=True)
