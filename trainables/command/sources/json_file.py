"""Figures in a JSON file: a line an object, or one document that is written anew as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainables.command.objects import objects_in
from trainables.command.sources.followed import GrowingFile, Record, Seen, read, stamp, why_unread

Item = tuple[str, Mapping[Any, Any]]


class JsonLines:
    """Objects in lines, appended or rewritten.

    Args:
        path: The file; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._seen, self._has_read = GrowingFile(path), Seen(), False

    def poll(self, *, is_end: bool) -> Iterator[Record]:
        """See ``Source``."""
        lines, is_from_begin = self._file.new_lines(is_end=is_end)
        items = ((line, values) for line in lines for values in objects_in(line))
        for values in self._seen.new(items, is_from_begin=is_from_begin):
            self._has_read = True
            yield values, 0.0

    def why_nothing(self) -> str:
        """See ``Source``."""
        return "" if self._has_read else why_unread(self._file.path, self._file.before, "JSON object")


class JsonFile:
    """One object, or a list of objects; what does not parse yet is still being written.

    Lines of objects are read too, since logs of such lines are often called ``.json``.

    Args:
        path: The file; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = self._stamp = stamp(path)
        self._seen, self._has_read = Seen(), False

    def poll(self, *, is_end: bool) -> Iterator[Record]:
        """See ``Source``."""
        now = stamp(self._path)
        if now is None or now == self._before or (now == self._stamp and not is_end):
            return
        try:
            file = self._path.open("rb")
        except OSError:  # it is being replaced
            return
        with file:
            text = read(file, 0, now.num_bytes).decode(errors="replace")
        self._stamp = now
        for values in self._seen.new(_items(text, is_end=is_end), is_from_begin=True):
            self._has_read = True
            yield values, 0.0

    def why_nothing(self) -> str:
        """See ``Source``."""
        return "" if self._has_read else why_unread(self._path, self._before, "JSON object")


def _items(text: str, *, is_end: bool) -> list[Item]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _items_of_lines(text, is_end=is_end)
    if isinstance(found, dict):
        return [(text.strip(), found)]
    objects = found if isinstance(found, list) else []
    return [(json.dumps(values), values) for values in objects if isinstance(values, dict)]


def _items_of_lines(text: str, *, is_end: bool) -> list[Item]:
    """Returns the objects of lines; none if the first line is none, as in a document that is half written."""
    lines = (text if is_end else text[: text.rfind("\n") + 1]).strip().splitlines()
    if not (lines and lines[0].startswith("{") and lines[0].rstrip().endswith("}")):
        return []
    return [(line.strip(), values) for line in lines for values in objects_in(line)]
