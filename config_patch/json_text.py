"""JSON text, read only by Python's json: whatever json reads can be patched.

Knows where json says that a value begins and ends. Numbers are compared as they are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Self

from config_patch.errors import ConfigPatchError
from config_patch.text import ConfigText, Entry, Spot, is_same

_BOM = "\ufeff"
_SPACE = re.compile(r"[ \t\n\r]*")


def _number(digits: str) -> tuple[str, str]:
    """Keeps a number of any length as it is written, in a form that never equals a text."""
    return ("number", digits)


_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_number)


class JsonText(ConfigText[int]):
    """JSON text; a value's place is where it begins."""

    def __init__(self, text: str, label: str) -> None:
        super().__init__(text, label)
        try:
            self._content = _DECODER.decode(text.removeprefix(_BOM))
        except json.JSONDecodeError as error:
            what = f"{label}:{error.lineno}: it is not JSON: {error.msg} (column {error.colno})."
            raise ConfigPatchError(what, "correct it there.") from None
        if not isinstance(self._content, dict | list):
            raise ConfigPatchError(f"{label}: it has no keys.", "name a file that has.")

    def find(self, key: str) -> Spot | None:
        """See `ConfigText.find`."""
        path = self._path(key)
        if path is None:
            return None
        start = path[-1].place
        if self.text[start] in "{[":
            raise self._refusal(start, f"{key} is not a single value.", "name a key that holds one.")
        return Spot(start=start, end=self._end(start))

    def holds(self, spot: Spot, value: object) -> bool:
        """See `ConfigText.holds`."""
        try:
            return is_same(json.loads(self.text[spot.start : spot.end]), value)
        except ValueError:  # more digits than Python converts
            return False

    def written(self, value: object) -> str:
        """See `ConfigText.written`."""
        return json.dumps(value)

    def is_changed_only_at(self, values: Mapping[str, Any], before: Self) -> bool:
        """See `ConfigText.is_changed_only_at`."""
        expected = _DECODER.decode(before.text.removeprefix(_BOM))
        for key, value in values.items():
            node = expected
            *above, last = self._path(key) or ()
            for entry in above:
                node = node[int(entry.name)] if isinstance(node, list) else node.setdefault(entry.name, {})
            node[int(last.name) if isinstance(node, list) else last.name] = _DECODER.decode(json.dumps(value))
        return bool(expected == self._content)

    def _root(self) -> int:
        return self._next(len(_BOM) if self.text.startswith(_BOM) else 0)

    def _entries(self, place: int) -> Iterator[Entry[int]]:
        is_object = self.text[place] == "{"
        if not is_object and self.text[place] != "[":
            return
        at, index = self._next(place + 1), 0
        while self.text[at] not in "}]":
            name, start, end = str(index), at, at
            if is_object:
                name, end = _DECODER.raw_decode(self.text, at)
                at = self._next(self._next(end) + len(":"))
            yield Entry(name=name, start=start, end=end, place=at)
            at, index = self._next(self._end(at)), index + 1
            if self.text[at] == ",":
                at = self._next(at + 1)

    def _with_key(self, key: str) -> str:
        names, place = key.split("."), self._root()
        while below := [entry.place for entry in self._entries(place) if entry.name == names[0]]:
            place = below[-1]
            names.pop(0)
        if self.text[place] != "{":
            raise self._refusal(
                place, f"{key} cannot be added: what stands here is not an object.", "correct the key."
            )
        added = f"{json.dumps(names[0])}: {_nested(names[1:])}"
        entries = list(self._entries(place))
        if not entries:
            return self.text[: place + 1] + added + self.text[place + 1 :]
        lead, end = self.text[place + 1 : entries[0].start], self._end(entries[-1].place)
        return self.text[:end] + "," + (lead if "\n" in lead else " ") + added + self.text[end:]

    def _next(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        assert match is not None
        return match.end()

    def _end(self, start: int) -> int:
        return _DECODER.raw_decode(self.text, start)[1]


def _nested(names: list[str]) -> str:
    value: object = None
    for name in reversed(names):
        value = {name: value}
    return json.dumps(value)
