"""A clock that keeps phases apart and waits for the device at both ends of each.

Knows wall, process and device time. Does not know what the phases mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """Time of one phase, or of several added up.

    Attributes:
        wall_s: Synchronised wall seconds.
        cpu_s: Process CPU seconds, all threads.
        device_s: Seconds between two CUDA events in the stream, one at each end; None without CUDA.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    device_s: float | None = None

    def __add__(self, other: PhaseTime) -> PhaseTime:
        parts = [s for s in (self.device_s, other.device_s) if s is not None]
        return PhaseTime(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            device_s=sum(parts) if parts else None,
        )


class PhaseClock:
    """Accumulates the time of named phases.

    Args:
        synchronize: Waits until the device has finished everything asked of it so far.
        new_event: Makes a CUDA event with time (see ``steps.event_factory``); None without CUDA.
    """

    def __init__(
        self, synchronize: Callable[[], None] = lambda: None, new_event: Callable[[], Any] | None = None
    ) -> None:
        self._synchronize = synchronize
        self._ends = None if new_event is None else (new_event(), new_event())
        self._total: dict[str, PhaseTime] = {}
        self._last: dict[str, PhaseTime] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times the body as one run of phase ``name``; a body that raises is not counted.

        Phases do not overlap: there is one pair of events.
        """
        self._synchronize()
        self._record(0)
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._record(1)
        self._synchronize()
        spent = PhaseTime(
            wall_s=time.perf_counter() - wall,
            cpu_s=time.process_time() - cpu,
            device_s=None if self._ends is None else self._ends[0].elapsed_time(self._ends[1]) / 1000.0,
        )
        self._last[name] = spent
        self._total[name] = self.total(name) + spent

    def total(self, name: str) -> PhaseTime:
        """Returns the total time of a phase; zero if it never ran."""
        return self._total.get(name, PhaseTime())

    def last(self, name: str) -> PhaseTime:
        """Returns the time of a phase's latest run; zero if it never ran."""
        return self._last.get(name, PhaseTime())

    def state_dict(self) -> dict[str, PhaseTime]:
        """Returns the totals of all phases, for a checkpoint."""
        return dict(self._total)

    def add(self, state: dict[str, PhaseTime], names: tuple[str, ...]) -> None:
        """Adds totals of ``names`` from a checkpoint to what was measured here."""
        for name in names:
            self._total[name] = self.total(name) + state.get(name, PhaseTime())

    def _record(self, end: int) -> None:
        if self._ends is not None:
            self._ends[end].record()


def synchronizer(device_kind: str) -> Callable[[], None]:
    """Returns the function with which a ``PhaseClock`` waits for a ``cuda`` or ``cpu`` device."""
    if device_kind != "cuda":
        return lambda: None
    import torch  # only where a CUDA device is used

    return torch.cuda.synchronize
