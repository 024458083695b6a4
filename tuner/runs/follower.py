"""The process that writes a run elsewhere: how it is started, waited for and kept alone.

It is `python -m tuner.run follow`, which reads the journal as anybody could. The run starts it, never hears
from it while trials run, and at its end waits a little and shows what it had to say. Nothing of it can slow
or fail the run. Imports nothing of what is written.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import RecordsError
from tuner.runs.wanted import NAMES, wanted_names

if TYPE_CHECKING:
    from tuner.core.study import StudySpec

LOG_NAME = "outputs.log"
"""Log file, in the run's folder, of the process that follows it. Its byte k is locked by the process
that writes the k-th of `NAMES`, which therefore never closes the file."""

WAIT_S, INTERRUPTED_WAIT_S = 20.0, 5.0
"""Most seconds that the end of a run waits for what is not written yet."""

PATIENCE_S = 1.0
"""Seconds after which it says that it waits."""

INCOMPLETE = 1
"""The exit code of `follow` when something was switched off; why is in a line of its own."""


class Follower:
    """A process that follows a run, as the run sees it.

    Args:
        folder: Folder of the run; its journal has its first line.
        names: Names of the sinks that it writes to; without any, no process is started.
        say: Takes a line that people see.
    """

    def __init__(self, folder: Path, names: Sequence[str], say: Callable[[str], None]) -> None:
        self._folder, self._names, self._say = folder, ", ".join(names), say
        self._process: subprocess.Popen[bytes] | None = None
        self._log_at = 0
        if names:
            self._start(names)

    @classmethod
    def of(
        cls, folder: Path, study: StudySpec, provenance: Mapping[str, Any], say: Callable[[str], None]
    ) -> Follower:
        """The follower that a run's study wants."""
        return cls(folder, wanted_names(study.outputs, is_simulated="simulated" in provenance), say)

    def _start(self, names: Sequence[str]) -> None:
        """Starts the process with this interpreter and search path, deaf to the terminal's signals."""
        words = ["tuner.run", "follow", str(self._folder), "--to", ",".join(names)]
        try:
            with (self._folder / LOG_NAME).open("ab") as log:
                log.write(f"$ python -m {' '.join(words)}\n".encode())
                log.flush()
                self._log_at = log.tell()
                self._process = subprocess.Popen(  # noqa: S603  # this interpreter, with options made here
                    [sys.executable, "-P", "-W", "ignore", "-m", *words, "--driver", str(os.getpid())],
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            self._say(f"{self._names}: not written, no process could be started ({error}); {self._fix}")

    def wait(self, *, is_interrupted: bool) -> None:
        """Waits for what is not written yet, but not for ever, and shows what it had to say.

        Called once the run's own files are written and its journal is closed.
        """
        if self._process is None:
            return
        limit_s = INTERRUPTED_WAIT_S if is_interrupted else WAIT_S
        code = self._exit_code(min(PATIENCE_S, limit_s))
        if code is None:
            self._say(f"writing to {self._names}, {limit_s:.0f} s at most ...")
            code = self._exit_code(limit_s - PATIENCE_S)
        lines = self._lines()
        for line in lines:
            self._say(line)
        if code is None:
            self._say(
                f"{self._names}: not completely written yet. A process in the background continues; "
                "the run's own files are complete."
            )
        elif code and not (lines and code == INCOMPLETE):
            self._say(f"{self._names}: not completely written, its process ended with {code}; {self._fix}")

    def _exit_code(self, within_s: float) -> int | None:
        assert self._process is not None
        try:
            return self._process.wait(max(0.0, within_s))
        except subprocess.TimeoutExpired:
            return None

    def _lines(self) -> list[str]:
        """Returns what the process said; other people's words in the file stay there."""
        try:
            with (self._folder / LOG_NAME).open("rb") as log:
                log.seek(self._log_at)
                text = log.read().decode(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.startswith((*NAMES, "error: "))]

    @property
    def _fix(self) -> str:
        return f"`python -m tuner.run follow {self._folder}` completes it."


@contextmanager
def alone(folder: Path, names: Sequence[str], on_wait: Callable[[], None]) -> Iterator[None]:
    """Holds what a process writes of a run, so that no other process writes it meanwhile.

    Args:
        folder: Folder of the run.
        names: Names of the sinks to write to.
        on_wait: Called before it waits for another process.

    Raises:
        RecordsError: The folder cannot be written to.
    """
    try:
        fd = os.open(folder / LOG_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RecordsError(
            f"{folder}: cannot write to this run: {error.strerror}.", "free some space, or take a copy of it."
        ) from error
    try:
        told = False
        for place in (NAMES.index(name) for name in NAMES if name in names):
            if not _locked(fd, place):
                if not told:
                    on_wait()
                told = True
                while not _locked(fd, place):
                    time.sleep(0.2)
        yield
    finally:
        os.close(fd)


def _locked(fd: int, place: int) -> bool:
    """Whether a byte of the file is ours now; it is on a file system that knows no locks."""
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
