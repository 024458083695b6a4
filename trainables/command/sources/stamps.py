"""How old a time stamp is that another process took from the clock of the wall, which somebody may set."""

from __future__ import annotations

import time
from collections.abc import Callable


class Stamps:
    """Ages of stamps, of which no hour is made by an administrator, NTP or a machine that wakes up.

    The first poll after the clock was set may find stamps from before and from after that, which look alike.
    So each is compared with both clocks, and the smaller age counts: at most, a report seems as new as its
    reading. What a script holds back until a later poll still gets its age from the new clock.

    Args:
        wall: The clock of the wall, in seconds, as of the process that gives the stamps.
        steady: A clock that nobody sets, in seconds.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.perf_counter
    ) -> None:
        self._wall, self._steady = wall, steady
        self._before_s = self._ahead_s = wall() - steady()

    def poll(self) -> None:
        """Call it before new stamps are looked at: those of one poll are compared with both clocks."""
        self._before_s, self._ahead_s = self._ahead_s, self._wall() - self._steady()

    def age_s(self, stamp_s: float) -> float:
        """Returns the seconds since a stamp was given, 0 if it lies ahead."""
        return max(0.0, self._steady() + min(self._before_s, self._ahead_s) - stamp_s)
