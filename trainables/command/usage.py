"""CPU time and delays of a script's processes so far, as the kernel counts them.

Knows Linux's /proc. Does not know what the figures are for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trainables.telemetry.procfs import run_delay_s, stat_fields

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU time and scheduling delay of a script since it began.

    Attributes:
        cpu_s: CPU seconds of all its processes, including ended ones that were waited for; the sum of four
            figures a process, each cut to ticks of 10 ms. Processes in a session of their own are left out.
        run_delay_s: Seconds its first thread was ready to run and had no core; None if not counted.
    """

    cpu_s: float = 0.0
    run_delay_s: float | None = None


def read_usage(leader: int) -> Usage:
    """Reads the figures of a script that leads a session; it may have ended, but not been reaped."""
    ticks = sum(_ticks(int(name), leader) for name in os.listdir("/proc") if name.isdigit())
    return Usage(cpu_s=ticks / _TICKS_PER_S, run_delay_s=run_delay_s(Path(f"/proc/{leader}")))


def _ticks(pid: int, session: int) -> int:
    """Returns utime + stime + cutime + cstime of a process of the session, in ticks; 0 for any other."""
    try:
        fields = stat_fields(pid)
    except OSError:  # gone by now
        return 0
    return sum(int(ticks) for ticks in fields[11:15]) if int(fields[3]) == session else 0
