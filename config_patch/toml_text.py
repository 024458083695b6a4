"""TOML text: Python's tomllib says what it means, and a scanner of ours where each value stands.

The scanner relies on tomllib having accepted the text. What a new text says is asked of tomllib again.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from config_patch.errors import ConfigPatchError
from config_patch.text import ConfigText, Entry, Spot, is_same

_SKIPPED = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_DOT = re.compile(r"[ \t]*\.[ \t]*")


@dataclass(slots=True, eq=False)
class _Value:
    """A value: `text[start:end]`, or a table whose entries may stand anywhere.

    Attributes:
        end: For a table with a header, where the line of its last own key ends, else that of its header.
        entries: Of a table or array, in the order of the file.
        is_single: Whether it is neither table nor array.
        is_open: Whether it is a table of lines, to which one can be added.
    """

    start: int
    end: int
    entries: list[Entry[_Value]] = field(default_factory=list)
    is_single: bool = False
    is_open: bool = False

    def below(self, name: str, start: int, end: int) -> _Value:
        """Returns the table of a name, made if it is new; of an array of tables the last."""
        found = next((entry.place for entry in self.entries if entry.name == name), None)
        if found is None:
            found = _Value(start, end)
            self.entries.append(Entry(name=name, start=start, end=end, place=found))
        is_array = found.entries and not found.is_open and all(e.name.isdigit() for e in found.entries)
        return found.entries[-1].place if is_array and found.entries[-1].place.is_open else found


class TomlText(ConfigText[_Value]):
    """TOML text; a value's place is the value as it was scanned."""

    def __init__(self, text: str, label: str) -> None:
        super().__init__(text, label)
        try:
            self._content = _load(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigPatchError(f"{label}: it is not TOML: {error}.", "correct it there.") from None
        self._tree = _Scanner(text).tree()

    def find(self, key: str) -> Spot | None:
        """See `ConfigText.find`."""
        path = self._path(key)
        if path is None:
            return None
        value = path[-1].place
        if not value.is_single:
            raise self._refusal(path[-1].start, f"{key} is not a single value.", "name a key that holds one.")
        return Spot(start=value.start, end=value.end)

    def holds(self, spot: Spot, value: object) -> bool:
        """See `ConfigText.holds`."""
        return is_same(tomllib.loads(f"x = {self.text[spot.start : spot.end]}")["x"], value)

    def written(self, value: object) -> str:
        """See `ConfigText.written`."""
        if value is None:
            raise ConfigPatchError(f"{self.label}: TOML has no value for nothing.", "give a value.")
        if isinstance(value, float):
            return repr(value)
        return re.sub("[\x7f]", r"\\u007f", json.dumps(value, ensure_ascii=False))

    def is_changed_only_at(self, values: Mapping[str, Any], before: Self) -> bool:
        """See `ConfigText.is_changed_only_at`."""
        expected = _load(before.text)
        for key, value in values.items():
            node: Any = expected
            *above, last = self._path(key) or ()
            for entry in above:
                node = node[int(entry.name)] if isinstance(node, list) else node.setdefault(entry.name, {})
            new = _load(f"x = {self.written(value)}")["x"]
            node[int(last.name) if isinstance(node, list) else last.name] = new
        return bool(expected == self._content)

    def _root(self) -> _Value:
        return self._tree

    def _entries(self, place: _Value) -> Iterator[Entry[_Value]]:
        yield from place.entries

    def _with_key(self, key: str) -> str:
        names, place = key.split("."), self._tree
        holder, rest = place, names
        while names and (below := [entry.place for entry in place.entries if entry.name == names[0]]):
            place, names = below[0], names[1:]
            if place.is_open:
                holder, rest = place, names
        if place.is_single or (place is not holder and not place.entries):
            what = f"{key} cannot be added: what stands here is not a table."
            raise self._refusal(place.start, what, "correct the key.")
        line = ".".join(name if _BARE_KEY.fullmatch(name) else json.dumps(name) for name in rest) + " = 0"
        newline = "\r\n" if "\r\n" in self.text else "\n"
        if holder.end == 0:
            return line + newline + self.text
        return self.text[: holder.end] + newline + line + self.text[holder.end :]


class _Scanner:
    """Finds every value of a text that tomllib accepts."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def tree(self) -> _Value:
        """Returns the outermost table."""
        root = table = _Value(0, 0, is_open=True)
        while not self._is_at_end():
            if self._text[self._at] == "[":
                table = self._header(root)
            else:
                self._pair(table)
                table.end = self._at
        return root

    def _is_at_end(self) -> bool:
        self._skip(_SKIPPED)
        return self._at >= len(self._text)

    def _header(self, root: _Value) -> _Value:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        *above, (name, at, end) = self._names()
        self._at += 2 if is_array else 1
        table = root
        for higher in above:
            table = table.below(*higher)
        if is_array:
            tables = next((e.place for e in table.entries if e.name == name), None)
            if tables is None:
                tables = _Value(start, start)
                table.entries.append(Entry(name=name, start=at, end=end, place=tables))
            made = _Value(start, self._at, is_open=True)
            index = str(len(tables.entries))
            tables.entries.append(Entry(name=index, start=start, end=start, place=made))
            return made
        table = table.below(name, at, end)
        table.end, table.is_open = self._at, True
        return table

    def _pair(self, table: _Value) -> None:
        *above, (name, start, end) = self._names()
        self._at += 1  # =
        for higher in above:
            table = table.below(*higher)
        table.entries.append(Entry(name=name, start=start, end=end, place=self._value()))

    def _names(self) -> list[tuple[str, int, int]]:
        """Reads a dotted key, with the white space around it: each name and where it stands."""
        found = []
        while True:
            self._skip(re.compile(r"[ \t]*"))
            start, quote = self._at, self._text[self._at]
            self._skip(_STRING if quote in "\"'" else _BARE_KEY)
            name = self._text[start : self._at]
            found.append((_load(f"x = {name}")["x"] if quote in "\"'" else name, start, self._at))
            if not _DOT.match(self._text, self._at):
                self._skip(re.compile(r"[ \t]*"))
                return found
            self._skip(_DOT)

    def _value(self) -> _Value:
        self._skip(_SKIPPED)
        start, first = self._at, self._text[self._at]
        if first in "\"'":
            self._skip(_STRING)
            return _Value(start, self._at, is_single=True)
        if first not in "[{":
            self._skip(_SCALAR)
            end = start + len(self._text[start : self._at].rstrip())
            self._at = end
            return _Value(start, end, is_single=True)
        value = _Value(start, start)
        self._at += 1
        while not self._is_at_end() and self._text[self._at] not in "]}":
            if first == "{":
                self._pair(value)
            else:
                at = self._at
                place = self._value()
                value.entries.append(Entry(name=str(len(value.entries)), start=at, end=at, place=place))
        self._at += 1
        value.end = self._at
        return value

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        assert match is not None
        self._at = match.end()


def _load(text: str) -> dict[str, Any]:
    """Reads TOML with floats as they are written, in a form that equals nothing else."""
    return tomllib.loads(text, parse_float=lambda digits: ("number", digits))
