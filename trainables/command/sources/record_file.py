"""The records of a W&B file, read while it is written: LevelDB's log format behind a header of W&B's own.

Knows blocks, chunks and checksums. Does not know what a record says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

MAX_RECORD = 4 * 2**20
"""Bytes of the longest record that is looked at: longer ones are no figures."""

_BLOCK = 32_768
_HEADER = b":W&B\xe1\xbe\x00"  # a magic number and version 0; the first block includes it
_CHUNK = struct.Struct("<IHB")  # checksum, length, kind
_FULL, _FIRST, _LAST = 1, 2, 4


class _DamagedError(Exception):
    """A chunk that is there as a whole has another checksum than it says."""


class _Chunk(NamedTuple):
    """A record, or a part of one that no block could hold; ``end`` is the offset behind it."""

    kind: int
    data: bytes
    end: int


class RecordFile:
    """Returns each record once, when it is there as a whole.

    Args:
        path: The file, which grows only at its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = self._num_bytes = 0

    def new(self, *, is_end: bool) -> Iterator[bytes]:
        """Returns the records that have come since the last call.

        Args:
            is_end: Whether nothing more is written: what does not fit its checksum is then an error.

        Raises:
            ValueError: It is no such file, or is damaged; the message has the fix.
        """
        num_bytes = self.path.stat().st_size
        if num_bytes == self._num_bytes and not is_end:
            return
        with self.path.open("rb") as file:
            if self._has_header(file, num_bytes):
                try:
                    yield from self._records(file)
                except _DamagedError:
                    if is_end:
                        raise ValueError(
                            f"the W&B file {self.path} is damaged from byte {self._at} on. "
                            "Fix: see that its disk is not full, and that one process writes it."
                        ) from None
        self._num_bytes = num_bytes

    def _has_header(self, file: IO[bytes], num_bytes: int) -> bool:
        if self._at == 0 and num_bytes >= len(_HEADER):
            if file.read(len(_HEADER)) != _HEADER:
                raise ValueError(
                    f"{self.path} is no file of W&B's records, or one of a version that is not known. "
                    "Fix: correct option file; else let the script print its figures (source: json)."
                )
            self._at = len(_HEADER)
        return self._at > 0

    def _records(self, file: IO[bytes]) -> Iterator[bytes]:
        parts: list[bytes] = []
        num_bytes = 0
        chunk = _chunk(file, self._at)
        while chunk is not None:
            if chunk.kind in (_FULL, _FIRST):
                parts, num_bytes = [], 0
            num_bytes += len(chunk.data)
            if num_bytes <= MAX_RECORD:
                parts.append(chunk.data)
            if chunk.kind in (_FULL, _LAST):
                self._at = chunk.end
                if num_bytes <= MAX_RECORD:
                    yield b"".join(parts)
            chunk = _chunk(file, chunk.end)


def _chunk(file: IO[bytes], at: int) -> _Chunk | None:
    """Returns the chunk at an offset, or at the next block if this one has no room for any; None if cut."""
    room = _BLOCK - at % _BLOCK
    if room < _CHUNK.size:
        at += room
    file.seek(at)
    head = file.read(_CHUNK.size)
    if len(head) < _CHUNK.size:
        return None
    checksum, length, kind = _CHUNK.unpack(head)
    data = file.read(length)
    if len(data) < length:
        return None
    if zlib.crc32(data, zlib.crc32(head[-1:])) != checksum:
        raise _DamagedError
    return _Chunk(kind, data, at + _CHUNK.size + length)
