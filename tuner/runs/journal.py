"""The append-only journal of a run: one JSON object a line, on disk before anything acts on it.

Every line is written with one call, flushed and fsynced, so that whatever kills the process
(SIGKILL, power, a full disk) loses at most the line being written, and readers can tell a torn last
line from a broken file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner.errors import RecordsError

Event = dict[str, Any]
"""One line: `event` names it, `elapsed_s` says when, the rest depends on the event."""


class Journal:
    """Appends events to a file; for as long as it is open, no other process may.

    Args:
        path: A file that must not exist yet.
        reopen: Whether the file exists and is continued; a torn last line is then cut off.

    Raises:
        RecordsError: The file exists already or cannot be created; or, to reopen, there is none, it cannot be
            written to, or a process still writes to it.
    """

    def __init__(self, path: Path, *, reopen: bool = False) -> None:
        self.path = path
        try:
            self._fd = os.open(
                path, os.O_RDWR | os.O_APPEND | (0 if reopen else os.O_CREAT | os.O_EXCL), 0o644
            )
        except OSError as error:
            raise RecordsError(
                f"{path}: cannot {'continue' if reopen else 'create'} the journal: {error.strerror}.",
                "name the folder of a run." if reopen else "choose another --runs-dir.",
            ) from error
        self._lock()
        self._size = path.read_bytes().rfind(b"\n") + 1
        os.ftruncate(self._fd, self._size)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise RecordsError(
                f"{self.path}: a process still writes to it: the run has not ended.",
                "wait for its end, or stop it.",
            ) from error
        except OSError:
            return  # a file system without locks, where two processes cannot be told apart

    def append(self, event: str, /, *, elapsed_s: float, **fields: Any) -> None:
        """Writes one event and returns once it is on disk.

        A line that does not fit is taken back, so that the file always ends with a whole line.

        Raises:
            RecordsError: The disk is full or gone.
        """
        entry = {"event": event, "elapsed_s": elapsed_s, **fields}
        line = (json.dumps(entry, allow_nan=False, separators=(",", ":")) + "\n").encode()
        try:
            written = os.write(self._fd, line)
            if written < len(line):
                raise OSError(28, "No space left on device")
            os.fsync(self._fd)
        except OSError as error:
            os.ftruncate(self._fd, self._size)
            raise RecordsError(
                f"{self.path}: cannot write the journal: {error.strerror}; "
                f"everything up to this event is safe in it.",
                "free some space or choose another --runs-dir.",
            ) from error
        self._size += len(line)

    def close(self) -> None:
        """Closes the file; closing twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def journal_of(folder: Path) -> Path:
    """The journal of a run's folder.

    Raises:
        RecordsError: There is none.
    """
    path = folder / "journal.jsonl"
    if not path.is_file():
        raise RecordsError(
            f"{folder}: there is no journal.jsonl in it.",
            "name the folder of a run, such as runs/last.",
        )
    return path


def read_journal(path: Path) -> Iterator[Event]:
    """Yields the events of a journal; a torn last line, which a crash leaves, is passed over.

    Raises:
        RecordsError: The file cannot be read, or a line before the last is not an event.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RecordsError(f"{path}: cannot read the journal: {error.strerror}.") from error
    yield from _events(text, path, 0)


def _events(text: bytes, path: Path, num_before: int) -> Iterator[Event]:
    """The events of the whole lines of a text, which follow `num_before` lines of a journal."""
    for number, line in enumerate(text.split(b"\n")[:-1], start=num_before + 1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise RecordsError(f"{path}:{number}: not a journal line: {error}.") from error
        if not isinstance(entry, dict) or "event" not in entry:
            raise RecordsError(f"{path}:{number}: not a journal line: it names no event.")
        yield entry


class Tail:
    """Reads a journal as it grows: each time the whole lines that are new.

    Args:
        path: The journal, which exists.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._line = path, 0, 0

    def read(self) -> list[Event]:
        """The events that are new.

        Raises:
            RecordsError: The file cannot be read, or a whole line is not an event.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                text = file.read()
        except OSError as error:
            raise RecordsError(f"{self._path}: cannot read the journal: {error.strerror}.") from error
        whole = text[: text.rfind(b"\n") + 1]
        events = list(_events(whole, self._path, self._line))
        self._at += len(whole)
        self._line += len(events)
        return events


def is_held(path: Path) -> bool:
    """Whether a process of this machine has the journal open: the run goes on."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise RecordsError(f"{path}: cannot read the journal: {error.strerror}.") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
