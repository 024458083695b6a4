"""Runs a script in a session of its own, reads it as it prints, and ends it with its descendants.

Knows processes. Does not know metrics or trials.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from trainables.command import ending
from trainables.command.options import mistake
from trainables.command.output import Metrics
from trainables.command.reader import Event, OutputReader
from trainables.command.usage import read_usage
from trainables.command.verdict import count_oom_kills


class Script:
    """Starts a program; a guard process ends it should this process die.

    Args:
        command: Program and arguments.
        log: File for its output.
        see: Selects the lines that are waited for; see ``OutputReader``.
        num_threads: The value of OMP_NUM_THREADS.
        grace_s: Seconds between SIGTERM and SIGKILL.
        removed_if_killed: Folder that the guard removes when this process dies; None if there is none.

    Raises:
        ValueError: The program cannot be started.

    Attributes:
        began_s: ``time.perf_counter()`` just before it was started.
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        see: Callable[[str, float], Iterable[Metrics]],
        *,
        num_threads: int,
        grace_s: float,
        removed_if_killed: Path | None,
    ) -> None:
        self._mark = uuid.uuid4().hex
        self._grace_s = grace_s
        self._oom_kills_before = count_oom_kills()
        own = {"OMP_NUM_THREADS": str(num_threads), "PYTHONUNBUFFERED": "1", ending.VARIABLE: self._mark}
        self.began_s = time.perf_counter()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
                env=_environment() | own,
            )
        except OSError as error:
            fix = f"name a program that can be started from {Path.cwd()} ({error.strerror})"
            raise mistake("command", command[0], fix) from error
        self._pid = self._process.pid
        self._guard = self._start_guard(removed_if_killed)
        assert self._process.stdout is not None
        self._reader = OutputReader(
            self._process.stdout, log, see, lambda: read_usage(self._pid), self._has_ended
        )

    def next_event(self) -> Event:
        """Waits for the next line that ``see`` selects, or for the end of the script."""
        return self._reader.next_event()

    @property
    def tail(self) -> list[str]:
        """Returns the last lines of output."""
        return list(self._reader.tail)

    def num_oom_kills(self) -> int:
        """Counts the processes that the kernel killed for memory since the script began; see ``verdict``."""
        return count_oom_kills() - self._oom_kills_before

    def end(self) -> int:
        """Ends what still runs, and returns the exit code; may be called again."""
        if self._process.returncode is None:
            ending.end_all(self._pid, self._mark, self._grace_s)
            self._reader.join()
            self._process.wait()
            with suppress(BrokenPipeError):
                self._guard.communicate(b"x")
        return self._process.returncode

    def _start_guard(self, folder: Path | None) -> subprocess.Popen[bytes]:
        # -P: what lies beside the file must not be imported for a standard module.
        program = [sys.executable, "-S", "-P", ending.__file__]
        arguments = [str(self._pid), self._mark, str(self._grace_s), str(folder or "")]
        null = subprocess.DEVNULL
        return subprocess.Popen(  # noqa: S603
            program + arguments, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True
        )

    def _has_ended(self) -> bool:
        """Whether the script has ended; leaves it unreaped, so that its number stays its own."""
        return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _environment() -> dict[str, str]:
    """Returns this worker's environment without Ray's own: its addresses and token are not the script's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
