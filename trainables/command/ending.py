"""Ends a script with all its descendants; as a program, does so when the worker that began it dies.

A descendant is known by its session (the script leads one of its own) or, if it has left that, by a
variable of its environment. Knows Linux's /proc. Imports the standard library only, not even our own
`procfs`: it is started as a program of its own, which must survive the worker and load fast.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "DISTILL_TUNER_TRIAL"
_POLL_S = 0.05
_KILL_S = 5.0


def members(session: int, mark: str) -> set[int]:
    """Returns the living processes (no zombies) of a session, or with ``mark`` in their environment."""
    wanted = f"{VARIABLE}={mark}".encode()
    return {pid for pid in _all_pids() if _belongs(pid, session, wanted)}


def end_all(session: int, mark: str, grace_s: float) -> None:
    """Sends SIGTERM, waits ``grace_s`` seconds, then sends SIGKILL until no member is left.

    Call it before the script itself is reaped: its number could name another process afterwards.
    """
    with suppress(TimeoutError):
        # A process that is suspended learns of its end only when it goes on.
        _signal_until_gone(session, mark, [signal.SIGTERM, signal.SIGCONT], grace_s)
        return
    with suppress(TimeoutError):  # one in the middle of a system call may take longer than that
        _signal_until_gone(session, mark, [signal.SIGKILL], _KILL_S, again=True)


def _signal_until_gone(
    session: int, mark: str, signals: list[signal.Signals], limit_s: float, *, again: bool = False
) -> None:
    deadline = time.monotonic() + limit_s
    told: set[int] = set()
    while found := members(session, mark):
        for pid in found if again else found - told:
            for signum in signals:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signum)
        told |= found
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_POLL_S)


def _belongs(pid: int, session: int, wanted: bytes) -> bool:
    try:
        state, _, _, of_session, *_ = _stat_fields(pid)
        if state in "ZX":
            return False
        return int(of_session) == session or wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (OSError, ValueError):  # gone by now, or another user's
        return False


def _stat_fields(pid: int) -> list[str]:
    """Returns the fields of /proc/PID/stat (man 5 proc) after the name: state, ppid, pgrp, session, ..."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _guard() -> None:
    """Waits on standard input, which the worker holds open: a byte dismisses it, closing means death.

    Runs as a child of init, since Ray ends the children of a worker that it gives up.
    """
    session, mark, grace_s, folder = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
    if os.fork():
        os._exit(0)
    if not sys.stdin.buffer.read(1):
        end_all(session, mark, grace_s)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _guard()
