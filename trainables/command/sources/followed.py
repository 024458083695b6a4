"""What is new in a file that grows, or that is written anew as a whole, while it is looked at.

What was in the file before the script began is not the script's. Does not know what lines mean.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

MAX_BYTES = 64 * 2**20
"""Most bytes that are read at once; metrics are small."""

_NUM_CHECKED = 64
"""Bytes before the place where reading goes on that must be as they were; else the file was rewritten."""

Record = tuple[Mapping[Any, Any], float]
"""Figures by name, and how many seconds ago they were written."""


class Source(Protocol):
    """Figures that a script writes somewhere while it runs."""

    def poll(self, *, is_end: bool) -> Iterator[Record]:
        """Returns what is new.

        Args:
            is_end: Whether the script has ended, so that nothing is half written any more.

        Raises:
            ValueError: What is there cannot be used; the message has the fix.
        """

    def why_nothing(self) -> str:
        """Returns why nothing at all could be read, with the fix; "" if something was."""


class Stamp(NamedTuple):
    """What differs once a file has been written to."""

    inode: int
    num_bytes: int
    modified_ns: int


def stamp(file: Path | IO[bytes]) -> Stamp | None:
    """Returns the stamp of a file; None if there is none."""
    try:
        found = os.stat(file if isinstance(file, Path) else file.fileno())
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def read(file: IO[bytes], begin: int, end: int) -> bytes:
    """Returns the bytes of a part of a file; ValueError if they are too many."""
    if end - begin > MAX_BYTES:
        raise ValueError(
            f"{where(Path(file.name))} has {(end - begin) / 2**20:.0f} MiB that are new, more than "
            f"{MAX_BYTES // 2**20}. Fix: have the script write its metrics to a file of their own."
        )
    file.seek(begin)
    return file.read(end - begin)


def where(path: Path) -> str:
    """Returns how messages call a metrics file."""
    return f"the metrics file {path} (option file)"


def why_unread(path: Path, before: Stamp | None, what: str) -> str:
    """Returns why a file gave no figures, with the fix.

    Args:
        path: The file.
        before: Its stamp when the script began.
        what: What should be in it.
    """
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        return f"{where(path)} cannot be read ({error.strerror}). Fix: have the script write it there."
    if stamp(path) == before:
        return f"{where(path)} is older than the script, which did not write it. Fix: correct option file."
    return f"{where(path)} has no {what}. Fix: have the script write {what}, or correct option file_format."


class Seen:
    """Tells items that are new from those of an earlier reading of the same file.

    A file that is written anew may begin with what it held before (a table that grows) or hold the latest
    item only: items are new from the first that differs.
    """

    def __init__(self) -> None:
        self._hashes = array("q")  # 8 bytes an item
        self._at = 0

    def new(
        self, items: Iterable[tuple[Hashable, Mapping[Any, Any]]], *, is_from_begin: bool
    ) -> Iterator[Mapping[Any, Any]]:
        """Returns the items that are new.

        Args:
            items: What an item is told by, and its figures.
            is_from_begin: Whether they are the file's first items; else they follow on the last ones.
        """
        self._at = 0 if is_from_begin else self._at
        for key, values in items:
            code = hash(key)
            is_known = self._at < len(self._hashes) and self._hashes[self._at] == code
            if not is_known:
                del self._hashes[self._at :]
                self._hashes.append(code)
            self._at += 1
            if not is_known:
                yield values


class GrowingFile:
    """The lines of a file; only what was appended is read, unless the file was rewritten.

    Args:
        path: The file; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = self._stamp = stamp(path)
        self._offset = self._stamp.num_bytes if self._stamp else 0
        self._last = b""
        with suppress(OSError), path.open("rb") as file:  # ``why_unread`` tells
            self._last = read(file, max(0, self._offset - _NUM_CHECKED), self._offset)

    def new_lines(self, *, is_end: bool) -> tuple[list[str], bool]:
        """Returns complete lines, and whether they are the file's first; a last one that is torn waits."""
        try:
            file = self.path.open("rb")
        except OSError:
            return [], False
        with file:
            now = stamp(file)
            assert now is not None
            if now == self._stamp and not is_end:
                return [], False
            content, is_from_begin = self._read(file, now)
        self._stamp = now
        complete = content if is_end else content[: content.rfind(b"\n") + 1]
        self._last = (self._last + complete)[-_NUM_CHECKED:]
        self._offset += len(complete)
        lines = [line.decode(errors="replace").strip() for line in complete.split(b"\n")]
        return [line for line in lines if line], is_from_begin

    def first_line(self) -> str:
        """Returns the file's first line."""
        with self.path.open("rb") as file:
            return file.readline(MAX_BYTES).decode(errors="replace")

    def _read(self, file: IO[bytes], now: Stamp) -> tuple[bytes, bool]:
        old, num = self._stamp, len(self._last)
        has_grown = old is not None and now.inode == old.inode and now.num_bytes > self._offset
        if now == old or has_grown:
            content = read(file, self._offset - num, now.num_bytes)
            if content.startswith(self._last):
                return content[num:], self._offset == 0
        self._offset, self._last = 0, b""
        return read(file, 0, now.num_bytes), True
