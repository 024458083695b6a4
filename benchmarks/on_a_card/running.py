"""Runs one check: a process with a limit, whose output goes to a file and whose last line of JSON counts.

Knows processes. Does not know what is checked, nor how much time there is in all.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.on_a_card.checks import GRACE_S, Check
from trainables.command import ending

ROOT = Path(__file__).parents[2]
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a check ended, and what it found.

    Attributes:
        outcome: ``ok``, ``failed``, ``out of time``, ``skipped`` or ``interrupted``.
        seconds: How long it ran.
        why: The reason if it is not ``ok``, else None.
        figures: The last line of JSON that it printed; None if there was none.
    """

    outcome: str
    seconds: float = 0.0
    why: str | None = None
    figures: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return asdict(self) | {"seconds": round(self.seconds, 1)}


def run_check(check: Check, log: Path, limit_s: float, is_asked_to_stop: Callable[[], bool]) -> Outcome:
    """Runs a check to its end or its limit, and ends every process that it left; raises for nothing it does.

    Args:
        check: The check.
        log: File for its output, both streams.
        limit_s: Seconds that it may take.
        is_asked_to_stop: Says, several times a second, whether to end it now.
    """
    mark, began = uuid.uuid4().hex, time.monotonic()
    try:
        process = _start(check.words(limit_s), log, mark)
    except OSError as error:
        return Outcome(outcome="failed", why=f"cannot be started: {error.strerror}")
    try:
        ended = _wait(process.pid, limit_s, is_asked_to_stop)
    finally:
        ending.end_all(process.pid, mark, GRACE_S)
        code = process.wait()
    seconds = time.monotonic() - began
    why = None
    if ended != "ok":
        why = f"ended after {seconds:.0f} s"
    elif code:
        ended, why = "failed", f"exit code {code}: {_last_line(log)}"
    return Outcome(outcome=ended, seconds=seconds, why=why, figures=last_json(log))


def last_json(log: Path) -> dict[str, Any] | None:
    """Returns the last line of a file that is a JSON object; None if none is."""
    for line in reversed(_lines(log)):
        if line.startswith("{"):
            with suppress(ValueError):
                return dict(json.loads(line))
    return None


def _start(command: list[str], log: Path, mark: str) -> subprocess.Popen[bytes]:
    """Starts a command in a session of its own, from the checkout and with its modules before all others."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    own = {ending.VARIABLE: mark, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path}
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - commands of ours, without a shell
            command,
            cwd=ROOT,
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(pid: int, limit_s: float, is_asked_to_stop: Callable[[], bool]) -> str:
    """Waits for a process and leaves it unreaped: its number must be its own until its children are gone."""
    deadline = time.monotonic() + limit_s
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if is_asked_to_stop():
            return "interrupted"
        if time.monotonic() > deadline:
            return "out of time"
        time.sleep(POLL_S)
    return "ok"


def _last_line(log: Path) -> str:
    lines = [line for line in _lines(log) if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()
