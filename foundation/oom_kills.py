"""Counts the processes that the kernel has killed because memory ran out; knows the files that say it."""

from __future__ import annotations

import re
from pathlib import Path


def count_oom_kills(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Counts the processes killed for memory so far: in our own cgroup (v2, v1), else on the whole machine.

    The count is 0 where the kernel keeps none; only a rise means anything.
    """
    for line in _read(proc / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            folder = cgroups / controllers / path.lstrip("/")
            text = _read(folder / ("memory.oom_control" if controllers else "memory.events"))
            if match := _COUNT.search(text):
                return int(match[1])
    match = _COUNT.search(_read(proc / "vmstat"))
    return int(match[1]) if match else 0


_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
