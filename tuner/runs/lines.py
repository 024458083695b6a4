"""The lines of a journal: one JSON object each, numbered and with a checksum.

A sealed line begins with its number `n`, from 1, and ends with `crc`, the CRC-32 of all its bytes before that
key. A line that was changed, lost, doubled or put elsewhere is thus found, and a journal cut off after any
line is a valid earlier state. Journals of formats 1 and 2 began without seals: in them, lines are sealed from
the first one that this version added. Knows nothing of what events mean (see `shapes`).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from foundation.one_line import first_line_of
from tuner.errors import RecordsError

FORMAT = 3
"""Format of the journals that this version writes. Formats 1, without a number, and 2 had the same events, in
lines that were not sealed."""

_FIRST_SEALED = 3

Event = dict[str, Any]
"""What a line says: `event` names it, `elapsed_s` says when, the rest depends on the event."""

_SEAL = re.compile(rb',"crc":"([0-9a-f]{8})"}\Z')


def sealed(event: Event, number: int) -> bytes:
    """Returns an event as a line of a journal, with its line break.

    Raises:
        ValueError: A number in it is not finite.
    """
    body = json.dumps({"n": number, **event}, allow_nan=False, separators=(",", ":")).encode()[:-1]
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def how_to_mend(number: int) -> str:
    """Says what to do about a journal whose line `number` is wrong."""
    if number == 1:
        return "put a whole copy of the file back."
    return (
        "put a whole copy of the file back, or keep only what comes before that line "
        f"(head -n {number - 1}): it is an earlier state of the run, and --resume continues from there."
    )


class LineReader:
    """Reads the lines of one journal in their order.

    Args:
        path: The journal, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._are_sealed = False

    def events(self, text: bytes) -> Iterator[Event]:
        """Yields the events of the next lines; what follows the last line break is passed over.

        Raises:
            RecordsError: A line is damaged, missing, doubled or out of place; or a newer version wrote it.
        """
        for line in text.split(b"\n")[:-1]:
            self._number += 1
            yield self._event(line)

    def _event(self, line: bytes) -> Event:
        entry = self._parsed(line)
        if self._number == 1:
            self._are_sealed = self._format_of(entry) >= _FIRST_SEALED
        seal = _SEAL.search(line)
        if seal:
            self._check(seal, line, entry)
        elif self._are_sealed:
            self._refuse("this line has no checksum, so it is damaged or was not written by the run")
        return entry

    def _parsed(self, line: bytes) -> Event:
        try:
            entry = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            self._refuse(f"not a journal line: {first_line_of(error, 200)}")
        if not isinstance(entry, dict) or not isinstance(entry.get("event"), str):
            self._refuse("not a journal line: it names no event")
        return entry

    def _format_of(self, start: Event) -> int:
        number = start.get("format", 1)
        if not isinstance(number, int):
            self._refuse(f"its format is {number!r}, which is not a whole number")
        if number > FORMAT:
            raise RecordsError(
                f"{self._path}: it is in format {number}, and this version of distill-tuner reads up to "
                f"{FORMAT}.",
                "use the version that wrote it, or a newer one.",
            )
        return number

    def _check(self, seal: re.Match[bytes], line: bytes, entry: Event) -> None:
        self._are_sealed = True
        if int(seal[1], 16) != zlib.crc32(line[: seal.start()]):
            self._refuse("this line is damaged: its checksum is wrong")
        del entry["crc"]
        if (number := entry.pop("n", None)) != self._number:
            self._refuse(
                f"this line has the number {number} where {self._number} belongs: lines before it are "
                "missing, doubled or out of place"
            )

    def _refuse(self, what: str) -> NoReturn:
        raise RecordsError(f"{self._path}:{self._number}: {what}.", how_to_mend(self._number))


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
