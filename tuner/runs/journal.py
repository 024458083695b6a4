"""The append-only journal of a run: one JSON object a line, on disk before anything acts on it.

Every line is written with one call, flushed and fsynced, so that whatever kills the process
(SIGKILL, power, a full disk) loses at most the line being written. Lines are sealed (see `lines`), so
that readers can tell a torn last line, which they pass over, from a damaged file, which they refuse.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuner.errors import RecordsError
from tuner.runs import owner
from tuner.runs.lines import Event, LineReader, sealed

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Journal:
    """Appends events to a file; for as long as it is open, no other process may.

    Args:
        path: A file that must not exist yet.
        reopen: Whether the file exists and is continued; a torn last line is then cut off.

    Attributes:
        num_lines: Number of whole lines in it.

    Raises:
        RecordsError: The file exists already or cannot be created; or, to reopen, there is none, it cannot be
            written to, or a process still writes to it.
    """

    def __init__(self, path: Path, *, reopen: bool = False) -> None:
        self.path = path
        self._own_file: Path | None = None
        try:
            self._fd = os.open(
                path, os.O_RDWR | os.O_APPEND | (0 if reopen else os.O_CREAT | os.O_EXCL), 0o644
            )
        except OSError as error:
            raise RecordsError(
                f"{path}: cannot {'continue' if reopen else 'create'} the journal: {error.strerror}.",
                _fix_of_reopening(error) if reopen else "choose another --runs-dir.",
            ) from error
        self._lock()
        try:
            before = path.read_bytes()
        except OSError as error:
            self.close()
            raise _unreadable(path, error) from error
        self._size, self.num_lines = before.rfind(b"\n") + 1, before.count(b"\n")
        self._is_torn = self._size < len(before)
        if self._is_torn:
            self._take_back()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise RecordsError(
                f"{self.path}: a process still writes to it: the run has not ended.",
                "wait for its end, or stop it.",
            ) from error
        except OSError:  # a file system without locks
            self._enter()

    def _enter(self) -> None:
        """Keeps all others out by a file of this process; see `owner`."""
        try:
            self._own_file, others = owner.enter(self.path.parent)
        except OSError as error:
            self.close()
            raise RecordsError(
                f"{self.path.parent}: cannot make a file here: {error.strerror}.", f"{_remedy(error)}."
            ) from error
        if not others:
            return
        self.close()
        first, said = others[0], f"{self.path}: {others[0]} still writes to it"
        if first.lives():
            raise RecordsError(f"{said}: the run has not ended.", "wait for its end, or stop it.")
        raise RecordsError(
            f"{said}, as far as can be told here: the run has not ended.",
            f"see that it has ended, then remove {first.file}.",
        )

    def append(self, event: str, /, *, elapsed_s: float, **fields: Any) -> None:
        """Writes one event and returns once it is on disk.

        A line that does not fit is taken back, so that the file ends with a whole line.

        Raises:
            RecordsError: The disk is full, gone or read-only; or the run's folder is no longer where it was,
                and the line is in its journal all the same.
        """
        entry = {"event": event, "elapsed_s": elapsed_s, **fields}
        line = sealed(entry, self.num_lines + 1)
        try:
            self._write(line)
        except OSError as error:
            self._take_back()
            raise RecordsError(
                f"{self.path}: cannot write the journal: {error.strerror}; "
                f"everything up to this event is safe in it.",
                f"{_remedy(error)}, then --resume {self.path.parent} continues the run.",
            ) from error
        self._size += len(line)
        self.num_lines += 1
        self._check_in_place()

    def _write(self, line: bytes) -> None:
        if self._is_torn:  # what a failed line left could not be taken back then
            os.ftruncate(self._fd, self._size)
            self._is_torn = False
        if os.write(self._fd, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._fd)

    def _take_back(self) -> None:
        """Cuts off what is no whole line; where that fails too, readers pass it over."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._is_torn = True
        else:
            self._is_torn = False

    def _check_in_place(self) -> None:
        """Refuses to go on where the other files of the run would be written elsewhere than its journal."""
        own = os.fstat(self._fd)
        try:
            is_in_place = os.path.samestat(own, self.path.stat())
        except OSError:
            is_in_place = False
        if not is_in_place:
            was = "moved" if own.st_nlink else "deleted"
            raise RecordsError(
                f"{self.path.parent}: the folder of this run was {was} while it ran, so the run has stopped.",
                "continue it where it is now: --resume FOLDER."
                if own.st_nlink
                else "start the study again with --space, and leave its folder alone.",
            )

    def close(self) -> None:
        """Closes the file; closing twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._own_file is not None:
            with suppress(OSError):  # on a disk that is gone or read-only; the next one finds it dead
                self._own_file.unlink()
            self._own_file = None


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


def _fix_of_reopening(error: OSError) -> str:
    if error.errno == errno.EROFS:
        return "mount the disk writable, or copy the run's folder to another disk and resume the copy."
    if isinstance(error, PermissionError):
        return "resume it as the user who began it, or resume a copy of its folder."
    return "name the folder of a run."


def _unreadable(path: Path, error: OSError) -> RecordsError:
    is_forbidden = isinstance(error, PermissionError)
    return RecordsError(
        f"{path}: cannot read the journal: {error.strerror}.",
        "read it as the user who began the run."
        if is_forbidden
        else "mend the disk, or read a copy of the run.",
    )


def _remedy(error: OSError) -> str:
    """Says what makes a journal writable again."""
    if error.errno in _FULL:
        return "free some space"
    return "mount the disk writable again" if error.errno == errno.EROFS else "mend the disk"


def read_journal(path: Path) -> Iterator[Event]:
    """Yields the events of a journal; a torn last line, which a crash leaves, is passed over.

    Raises:
        RecordsError: The file cannot be read, a newer version wrote it, or a whole line in it is damaged,
            missing or out of place.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    yield from LineReader(path).events(text)


class Tail:
    """Reads a journal as it grows: each time the whole lines that are new.

    Args:
        path: The journal, which exists.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._lines = path, 0, LineReader(path)

    def read(self) -> list[Event]:
        """The events that are new.

        Raises:
            RecordsError: See `read_journal`.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                text = file.read()
        except OSError as error:
            raise _unreadable(self._path, error) from error
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        return list(self._lines.events(whole))


def is_held(path: Path) -> bool | None:
    """Whether a process of this machine has the journal open: the run goes on.

    None where that cannot be told: the file system knows no locks, and no process has left its name there,
    or one of another machine (see `owner`).

    Raises:
        RecordsError: The file cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        lives = {writer.lives() for writer in owner.writers(path.parent)} or {None}
        return True if True in lives else None if None in lives else False
    finally:
        os.close(fd)
    return False
