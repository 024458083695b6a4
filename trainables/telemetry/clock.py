"""A clock that keeps phases apart and waits for the device at both ends of each.

Knows wall and process time. Does not know what the phases mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """Time of one phase, or of several added up.

    Attributes:
        wall_s: Synchronised wall seconds.
        cpu_s: Process CPU seconds, all threads.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: PhaseTime) -> PhaseTime:
        return PhaseTime(wall_s=self.wall_s + other.wall_s, cpu_s=self.cpu_s + other.cpu_s)


class PhaseClock:
    """Accumulates the time of named phases.

    Args:
        synchronize: Waits until the device has finished everything asked of it so far.
    """

    def __init__(self, synchronize: Callable[[], None]) -> None:
        self._synchronize = synchronize
        self._total: dict[str, PhaseTime] = {}
        self._last: dict[str, PhaseTime] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times the body as one run of phase ``name``; a body that raises is not counted."""
        self._synchronize()
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._synchronize()
        spent = PhaseTime(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)
        self._last[name] = spent
        self._total[name] = self.total(name) + spent

    def total(self, name: str) -> PhaseTime:
        """All runs of a phase; zero if it never ran."""
        return self._total.get(name, PhaseTime())

    def last(self, name: str) -> PhaseTime:
        """The latest run of a phase; zero if it never ran."""
        return self._last.get(name, PhaseTime())

    def state_dict(self) -> dict[str, list[float]]:
        """The totals as plain numbers, for a checkpoint."""
        return {name: [t.wall_s, t.cpu_s] for name, t in self._total.items()}

    def add(self, state: dict[str, list[float]], names: tuple[str, ...]) -> None:
        """Adds totals of ``names`` from a checkpoint to what was measured here."""
        for name in names:
            wall_s, cpu_s = state.get(name, [0.0, 0.0])
            self._total[name] = self.total(name) + PhaseTime(wall_s=wall_s, cpu_s=cpu_s)


def synchronizer(device_kind: str) -> Callable[[], None]:
    """What a ``PhaseClock`` waits with on a ``cuda`` or ``cpu`` device."""
    if device_kind != "cuda":
        return lambda: None
    import torch  # only where a CUDA device is used

    return torch.cuda.synchronize
