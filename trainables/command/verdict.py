"""Tells why a script ended: out of memory (with evidence), ended from outside, or at fault itself.

Knows exit codes, what libraries print, and the kernel's count of processes that it killed for
memory. Does not know the stage.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from ray.exceptions import RayActorError

_OOM = re.compile(
    r"CUDA out of memory|OutOfMemoryError|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|CUDNN_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED: Out of memory|(can't|Cannot) allocate memory"
    r"|std::bad_alloc|^\S*MemoryError\b",
    re.MULTILINE,
)
_CHILD_KILLED = re.compile(r"SIGKILL|[Ss]ignal 9\b|exitcode\s*:\s*-9\b|\bKilled\b")
_FROM_OUTSIDE = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class ScriptLostError(RayActorError):  # type: ignore[misc]  # ray's class is Any to mypy
    """The script was ended by somebody else, so its trial says nothing and may be asked again.

    A RayActorError, since that is how a trial is told to be lost: the script was its worker.
    """

    def __init__(self, message: str) -> None:
        super().__init__(error_msg=message)
        self.args = (message,)


def failure(code: int, tail: Sequence[str], num_oom_kills: int, log: str) -> Exception | None:
    """The error for a script that ended with ``code``; None when that is 0.

    Args:
        code: Exit code; negative for a signal.
        tail: The last lines of its output.
        num_oom_kills: Processes of this cgroup (else of this machine) that the kernel killed for
            memory while the script ran.
        log: Where its output is, in words.
    """
    if code == 0:
        return None
    text = "\n".join(tail)
    signum = -code if code < 0 else code - 128
    was_killed = signum == signal.SIGKILL or bool(_CHILD_KILLED.search(text))
    if is_out_of_memory(tail):
        return MemoryError(f"the script ran out of memory (exit {code}), as its output says; {log}")
    if was_killed and num_oom_kills > 0:
        return MemoryError(f"the script ran out of memory (exit {code}): the kernel killed it; {log}")
    if signum in _FROM_OUTSIDE:
        return ScriptLostError(
            f"the script was killed by signal {signum}, without a sign that memory ran out; {log}"
        )
    last = "\n".join(tail[-20:])
    return RuntimeError(f"the script failed with exit {code}; {log}\n{last}")


def is_out_of_memory(tail: Sequence[str]) -> bool:
    """Whether the last lines of output say that memory ran out."""
    return bool(_OOM.search("\n".join(tail)))


def count_oom_kills(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Processes killed for memory so far: of our own cgroup (v2, v1), else of the whole machine.

    0 where nothing is counted; only a rise says anything.
    """
    for line in _read(proc / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            folder = cgroups / controllers / path.lstrip("/")
            text = _read(folder / ("memory.oom_control" if controllers else "memory.events"))
            if match := re.search(r"^oom_kill (\d+)$", text, re.MULTILINE):
                return int(match[1])
    match = re.search(r"^oom_kill (\d+)$", _read(proc / "vmstat"), re.MULTILINE)
    return int(match[1]) if match else 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
