"""Tells whether the kernel killed a trial's worker because the host's memory ran out.

Nobody is told with which signal a worker of Ray died. But the kernel counts the processes that it kills for
memory (`foundation.oom_kills`), in the control group of this process or on this machine: so this can only
judge workers that share it. Knows neither Ray nor the advisor.
"""

from __future__ import annotations

from collections.abc import Callable

Count = Callable[[], int]


class MemoryKills:
    """The kernel's count, and what it was when each trial under way began.

    A kill explains one death. Where more workers have died than were killed for memory, nobody can tell which
    of them it was, and none is held to have run out of memory.

    Args:
        count: Counts the kills so far.
    """

    def __init__(self, count: Count) -> None:
        self._count = count
        self._before: dict[str, int] = {}
        self._num_used = 0

    def begun(self, ray_id: str) -> None:
        """Takes the begin of a trial."""
        self._before[ray_id] = self._count()

    def ended(self, ray_id: str) -> None:
        """Takes the end of a trial."""
        self._before.pop(ray_id, None)

    def explain(self, ray_id: str, num_dead: Count) -> bool:
        """Whether a trial's worker, which died without a word on this machine, was killed for memory.

        Args:
            ray_id: Id of the trial, which has begun.
            num_dead: Counts the other trials under way whose workers are dead by now.
        """
        now = self._count()
        num_kills = now - max(self._before.get(ray_id, now), self._num_used)
        if num_kills <= 0:
            return False
        num_others = num_dead()
        is_explained = num_kills > num_others
        self._num_used = now - num_others if is_explained else now
        return is_explained
