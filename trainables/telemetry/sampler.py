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

UTIL_WINDOW_S = 1 / 6
"""Least seconds of the period before a reading that NVML's utilisation covers; 1 s on some cards."""

_MEANS = {"util_pct": UTIL_WINDOW_S, "power_w": 0.0, "sm_clock_mhz": 0.0}
"""Figures whose mean counts, with the seconds that a reading must come after the span's beginning.

The reading at the start shows what was before: an idle card, or an evaluation.
"""
_HIGHEST = ("memory_gib", "temperature_c", "num_others")


@dataclass(slots=True)
class GpuUsage:
    """Figures of a watched span, in constant memory; a figure that the card never gave is None."""

    energy_j: float | None = None
    num_readings: int = 0
    throttled: dict[str, int] = field(default_factory=dict)
    _sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    _tops: dict[str, float] = field(default_factory=dict)
    _has_gap: bool = False

    def add(self, reading: GpuReading, since_s: float) -> None:
        """Adds a reading taken so many seconds after the watched span began; 0 at its start."""
        self.num_readings += 1
        for name, needed_s in _MEANS.items():
            value = getattr(reading, name)
            if value is not None and since_s > needed_s:
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
        """Adds an epoch's energy; if an epoch has none, neither has the whole."""
        self._has_gap = self._has_gap or joules is None
        self.energy_j = None if self._has_gap or joules is None else (self.energy_j or 0.0) + joules

    def mean(self, name: str) -> float | None:
        """Returns the mean of ``util_pct``, ``power_w`` or ``sm_clock_mhz``."""
        total, number = self._sums.get(name, (0.0, 0))
        return total / number if number else None

    def highest(self, name: str) -> float | None:
        """Returns the highest ``memory_gib``, ``temperature_c`` or ``num_others``."""
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
            began = seen[0][0]
            for usage in usages:
                for at, reading in seen:
                    usage.add(reading, at - began)
                usage.add_energy(energy_j(seen))

    def _look(self, stop: threading.Event, seen: list[tuple[float, GpuReading]]) -> None:
        while not stop.wait(self._period_s):
            seen.append((time.perf_counter(), self._monitor.read()))


def energy_j(seen: list[tuple[float, GpuReading]]) -> float | None:
    """Returns the joules between the first and last reading, by the counter, else by integrating power."""
    first, last = seen[0][1].energy_j, seen[-1][1].energy_j
    if first is not None and last is not None:
        return last - first
    total = 0.0
    for (begin, before), (end, after) in pairwise(seen):
        if before.power_w is None or after.power_w is None:
            return None
        total += 0.5 * (before.power_w + after.power_w) * (end - begin)
    return total
