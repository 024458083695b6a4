"""Replaces values in the text of a configuration file.

Knows which format a file has and in which order things are checked. Does not know the formats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from config_patch.errors import ConfigPatchError, MissingKeyError
from config_patch.json_text import JsonText
from config_patch.text import ConfigText
from config_patch.toml_text import TomlText
from config_patch.yaml_text import YamlText

_FORMS: Mapping[str, type[ConfigText[Any]]] = MappingProxyType({".json": JsonText, ".toml": TomlText})
"""The format of a file by its suffix; YAML is that of any other."""

_NONE: Mapping[Path, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value that was replaced, as it is written.

    Attributes:
        key: The dotted key.
        before: What it was, in the file or in those that it includes; None if no file had the key, or
            included ones differ.
        after: What it is.
    """

    key: str
    before: str | None
    after: str

    @property
    def was(self) -> str:
        """What it was, for people."""
        return "(not there)" if self.before is None else self.before


def patch(
    text: str,
    values: Mapping[str, Any],
    file: PurePath,
    *,
    can_create: bool = False,
    included: Mapping[Path, str] = _NONE,
) -> tuple[str, list[Change]]:
    """Gives the text with the value of each dotted key replaced.

    Args:
        text: The file's text with its line endings (read with `newline=""`), and its byte-order mark if any.
        values: The new value (text, number, true, false or None) by dotted key. In a list, the name of an
            entry is its index from 0, as in `callbacks.1.patience`.
        file: Names the file in messages. Its suffix decides the format: `.json` is JSON, `.toml` is
            TOML, all else is YAML.
        can_create: Add the keys that the file does not have.
        included: Texts of the files that this one includes, see `included_by`. A key that only they have
            is added, so that it comes on top of theirs, unless all that have it have its value already.

    Returns:
        The new text, and the changes in the order of `values`. A key that already has its value is not
        among them.

    Raises:
        MissingKeyError: A key is neither in the file nor in an included one, and `can_create` is off.
        ConfigPatchError: The text is not of its format, or a key does not name one single value of its own.
    """
    try:
        others = [_form(other)(content, str(other)) for other, content in included.items()]
        return _patched(_form(file)(text, str(file)), values, can_create=can_create, others=others)
    except RecursionError:
        raise ConfigPatchError(
            f"{file}: its values are nested too deeply.", "set its values by hand."
        ) from None


def _form(file: PurePath) -> type[ConfigText[Any]]:
    return _FORMS.get(file.suffix.lower(), YamlText)


def _patched(
    before: ConfigText[Any],
    values: Mapping[str, Any],
    *,
    can_create: bool,
    others: Sequence[ConfigText[Any]],
) -> tuple[str, list[Change]]:
    missing = [key for key in values if before.find(key) is None]
    below = {key: [(other, spot) for other in others if (spot := other.find(key))] for key in missing}
    nowhere = [key for key in missing if not below[key]]
    if nowhere and not can_create:
        also = f", nor in {', '.join(other.label for other in others)}" if others else ""
        what = f"{before.label}: there is no key {nowhere[0]!r} in it{also}."
        raise MissingKeyError(what, "correct the key, or add it to the file.")
    as_below = {
        key
        for key, places in below.items()
        if places and all(other.holds(spot, values[key]) for other, spot in places)
    }
    added = [key for key in missing if key not in as_below]
    values = {key: value for key, value in values.items() if key not in as_below}
    whole = before.with_keys(added) if added else before
    pieces: list[tuple[int, int, str]] = []
    changes = []
    for key, value in values.items():
        spot = whole.find(key)
        assert spot is not None
        was, new = whole.text[spot.start : spot.end], whole.written(value)
        if key in below:
            texts = {other.text[place.start : place.end] or "null" for other, place in below[key]}
            changes.append(Change(key=key, before=texts.pop() if len(texts) == 1 else None, after=new))
        elif whole.holds(spot, value):
            continue
        else:
            changes.append(Change(key=key, before=was or "null", after=new))
        pieces.append((spot.start, spot.end, new if was else f" {new}"))
    text = whole.text
    for start, end, new in sorted(pieces, reverse=True):
        text = text[:start] + new + text[end:]
    _read_back(before, text, values)
    return text, changes


def _read_back(before: ConfigText[Any], text: str, values: Mapping[str, Any]) -> None:
    """Reads the new text: it must hold the new values and, apart from them, what it held before."""
    try:
        after = type(before)(text, before.label)
        spots = {key: after.find(key) for key in values}
    except ConfigPatchError:
        spots = {}
    for key, value in values.items():
        spot = spots.get(key)
        if spot is None or not after.holds(spot, value):
            what = f"{before.label}: {key} cannot be set to {value!r} where it stands."
            raise ConfigPatchError(what, "set it by hand.")
    if not after.is_changed_only_at(values, before):
        what = f"{before.label}: replacing {', '.join(values)} would change other values."
        raise ConfigPatchError(what, "set them by hand.")
