"""What a script's processes have used so far, as the kernel counts it.

Knows Linux's /proc. Does not know what the figures are for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trainables.command.ending import stat_fields

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Figures since the script began.

    Attributes:
        cpu_s: CPU seconds of all its processes, ended ones that were waited for included; four
            figures a process, cut to ticks of 10 ms. Not of processes in a session of their own.
        run_delay_s: Seconds its first thread was ready to run and had no core; None if not counted.
    """

    cpu_s: float = 0.0
    run_delay_s: float | None = None


def read_usage(leader: int) -> Usage:
    """Reads the figures of a script that leads a session; it may have ended, but not been reaped."""
    ticks = sum(_ticks(int(name), leader) for name in os.listdir("/proc") if name.isdigit())
    return Usage(cpu_s=ticks / _TICKS_PER_S, run_delay_s=_run_delay_s(leader))


def _ticks(pid: int, session: int) -> int:
    """Utime + stime + cutime + cstime of a process of the session; 0 of any other."""
    try:
        fields = stat_fields(pid)
    except OSError:  # gone by now
        return 0
    return sum(int(ticks) for ticks in fields[11:15]) if int(fields[3]) == session else 0


def _run_delay_s(pid: int) -> float | None:
    """Second figure of schedstat (Linux, Documentation/scheduler/sched-stats)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) * 1e-9
    except (OSError, IndexError):  # a kernel built without it
        return None
