"""Reads what Linux says of a task in /proc; gives None if it says nothing, as on other systems."""

from __future__ import annotations

from pathlib import Path

THIS_THREAD = Path("/proc/thread-self")


def run_delay_s(task: Path) -> float | None:
    """Returns the seconds that a task has been ready to run and had no core.

    This is the second figure of its schedstat (Linux, Documentation/scheduler/sched-stats).

    Args:
        task: The task's folder: ``/proc/PID`` of a process, ``/proc/PID/task/TID`` of a thread.
    """
    try:
        return int((task / "schedstat").read_text().split()[1]) * 1e-9
    except (OSError, IndexError):  # not Linux, a kernel built without it, or the task is gone
        return None


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat (man 5 proc) after the name: state, ppid, pgrp, session, ...

    Raises:
        OSError: There is no such process, or no /proc.
    """
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
