"""Runs a script in a session of its own, reads it as it prints, and ends it with its descendants.

Knows processes. Does not know metrics or trials.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from foundation.oom_kills import count_oom_kills
from trainables.command import ending
from trainables.command.mistakes import mistake
from trainables.command.reader import Event, OutputReader, Poll, See, nowhere
from trainables.command.suspension import Suspension
from trainables.command.usage import read_usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where a program runs.

    Attributes:
        env: Its environment variables, all of them.
        cwd: Folder in which it runs; None for that of this process.
        removed_if_killed: Folder that the guard removes when this process dies; None if there is none.
    """

    env: Mapping[str, str]
    cwd: Path | None = None
    removed_if_killed: Path | None = None


class Script:
    """Starts a program; a guard process ends it should this process die.

    Args:
        command: Program and arguments.
        log: File for its output.
        see: Selects the lines that are waited for; see ``OutputReader``.
        poll: Finds metrics elsewhere; see ``OutputReader``.
        surroundings: Where it runs.
        grace_s: Seconds between SIGTERM and SIGKILL.
        num_held: Reports of which all but the last suspend it, until ``go_on``; 0 if none does.

    Raises:
        ValueError: The program cannot be started.

    Attributes:
        began_s: ``time.perf_counter()`` just before it was started.
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        see: See,
        *,
        surroundings: Surroundings,
        grace_s: float,
        poll: Poll = nowhere,
        num_held: int = 0,
    ) -> None:
        self._mark = uuid.uuid4().hex
        self._grace_s = grace_s
        self._oom_kills_before = count_oom_kills()
        self.began_s = time.perf_counter()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
                env={**surroundings.env, ending.VARIABLE: self._mark},
                cwd=surroundings.cwd,
            )
        except OSError as error:
            fix = (
                f"name a program that can be started from {surroundings.cwd or Path.cwd()} ({error.strerror})"
            )
            raise mistake("command", command[0], fix) from error
        self._pid = self._process.pid
        self._guard = self._start_guard(surroundings.removed_if_killed)
        self._suspension = Suspension(self._pid, self._mark, num_held)
        assert self._process.stdout is not None
        self._reader = OutputReader(
            self._process.stdout,
            log,
            see,
            lambda: read_usage(self._pid),
            self._has_ended,
            poll,
            self._suspension.report,
        )

    def next_event(self, until_s: float = math.inf) -> Event:
        """Waits for the next line that ``see`` selects, or for the end; see ``OutputReader.next_event``."""
        return self._reader.next_event(until_s)

    def go_on(self, num_done: int) -> None:
        """Lets a script go on that its report has suspended, unless more than ``num_done`` have come."""
        self._suspension.go_on(num_done)

    def running_s(self, at_s: float) -> float:
        """Returns a ``time.perf_counter()`` without the seconds for which the script was suspended."""
        return self._suspension.running_s(at_s)

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
            self._suspension.finish()
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
