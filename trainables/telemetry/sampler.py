"""Watches a card while an epoch trains: a thread that looks now and then, and adds up what it saw.

Knows time and readings. Does not know NVML, nor what is a disturbance.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from trainables.telemetry.gpu import THROTTLES, GpuMonitor, GpuReading, NullMonitor

PERIOD_S = 0.25
_MEANS = ("util_pct", "power_w", "sm_clock_mhz")
_HIGHEST = ("memory_gib", "temperature_c", "num_others")


@dataclass(slots=True)
class GpuUsage:
    """What was seen while watching, in constant memory; figures nobody could tell are None."""

    energy_j: float | None = None
    num_readings: int = 0
    throttled: dict[str, int] = field(default_factory=dict)
    _sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    _tops: dict[str, float] = field(default_factory=dict)
    _has_gap: bool = False

    def add(self, reading: GpuReading) -> None:
        """Adds a reading."""
        self.num_readings += 1
        for name in _MEANS:
            value = getattr(reading, name)
            if value is not None:
                total, number = self._sums.get(name, (0.0, 0))
                self._sums[name] = (total + value, number + 1)
        for name in _HIGHEST:
            value = getattr(reading, name)
            if value is not None:
                self._tops[name] = max(value, self._tops.get(name, value))
        for bit, words in THROTTLES.items():
            if (reading.throttle_bits or 0) & bit:
                self.throttled[words] = self.throttled.get(words, 0) + 1

    def add_energy(self, joules: float | None) -> None:
        """Adds an epoch's energy; an epoch without one leaves none for the whole."""
        self._has_gap = self._has_gap or joules is None
        self.energy_j = None if self._has_gap or joules is None else (self.energy_j or 0.0) + joules

    def mean(self, name: str) -> float | None:
        """Mean of ``util_pct``, ``power_w`` or ``sm_clock_mhz``."""
        total, number = self._sums.get(name, (0.0, 0))
        return total / number if number else None

    def highest(self, name: str) -> float | None:
        """Highest ``memory_gib``, ``temperature_c`` or ``num_others``."""
        return self._tops.get(name)


class GpuSampler:
    """Looks at a card at both ends of a watched span and every ``period_s`` within.

    Between spans there is no thread, and with a ``NullMonitor`` there never is one.

    Args:
        monitor: The card.
        period_s: Seconds between two looks.
    """

    def __init__(self, monitor: GpuMonitor, period_s: float = PERIOD_S) -> None:
        self._monitor, self._period_s = monitor, period_s

    @contextmanager
    def watch(self, *usages: GpuUsage) -> Iterator[None]:
        """Adds what is seen during the body to every one of ``usages``, also if the body raises."""
        if isinstance(self._monitor, NullMonitor):
            yield
            return
        seen = [(time.perf_counter(), self._monitor.read())]
        stop = threading.Event()
        thread = threading.Thread(target=self._look, args=(stop, seen), name="gpu-sampler", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            seen.append((time.perf_counter(), self._monitor.read()))
            for usage in usages:
                for _, reading in seen:
                    usage.add(reading)
                usage.add_energy(energy_j(seen))

    def _look(self, stop: threading.Event, seen: list[tuple[float, GpuReading]]) -> None:
        while not stop.wait(self._period_s):
            seen.append((time.perf_counter(), self._monitor.read()))


def energy_j(seen: list[tuple[float, GpuReading]]) -> float | None:
    """Joules between the first and the last reading: of the counter, else power integrated over time."""
    first, last = seen[0][1].energy_j, seen[-1][1].energy_j
    if first is not None and last is not None:
        return last - first
    total = 0.0
    for (begin, before), (end, after) in pairwise(seen):
        if before.power_w is None or after.power_w is None:
            return None
        total += 0.5 * (before.power_w + after.power_w) * (end - begin)
    return total
