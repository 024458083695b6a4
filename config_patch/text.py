"""ConfigText: the text of a configuration file, and where in it the value of a dotted key stands.

Knows dotted keys. Does not know a format: that is for its subclasses, one a format.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from config_patch.errors import ConfigPatchError

Place = TypeVar("Place")
"""The handle by which a format identifies a value, such as a node or a position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A single value's characters, `text[start:end]`; none if nothing is written there yet."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[Place]):
    """One entry of a mapping or of a list.

    Attributes:
        name: Its key as text, or its index in a list.
        start: Where the key begins; in a list, where the value does.
        end: Where the key ends; in a list, where the value begins.
        place: The value.
    """

    name: str
    start: int
    end: int
    place: Place


class ConfigText(ABC, Generic[Place]):
    """A text that has been read once, for questions about its keys.

    Args:
        text: The whole file.
        label: The file's name, for messages.

    Raises:
        ConfigPatchError: The text is not of this format.
    """

    def __init__(self, text: str, label: str) -> None:
        self.text = text
        self.label = label

    @abstractmethod
    def find(self, key: str) -> Spot | None:
        """Returns where the value of a dotted key stands, or None if there is no such key.

        Raises:
            ConfigPatchError: The key names several places, or a value that must not be replaced alone.
        """

    @abstractmethod
    def holds(self, spot: Spot, value: object) -> bool:
        """Whether whoever reads the file finds this very value there, its type included."""

    @abstractmethod
    def written(self, value: object) -> str:
        """Returns a value as this format writes it."""

    @abstractmethod
    def is_changed_only_at(self, values: Mapping[str, Any], before: Self) -> bool:
        """Whether this text says what `before` said, apart from the keys of `values`."""

    def with_keys(self, keys: Collection[str]) -> Self:
        """Returns the text with missing keys added, each last in its mapping and with a placeholder value.

        Raises:
            ConfigPatchError: What is to hold a key is not a mapping, or one key is to hold another.
        """
        whole = self
        for key in keys:
            if whole.find(key) is not None:
                continue
            text = whole._with_key(key)
            try:
                whole = type(self)(text, self.label)
                is_there = whole.find(key) is not None
            except ConfigPatchError:
                is_there = False
            if not is_there:
                what = f"{self.label}: there is no safe place for the key {key}."
                raise ConfigPatchError(what, "add it by hand.") from None
        return whole

    @abstractmethod
    def _with_key(self, key: str) -> str:
        """Returns the text with one key added."""

    @abstractmethod
    def _root(self) -> Place:
        """Returns the outermost value of the file."""

    @abstractmethod
    def _entries(self, place: Place) -> Iterator[Entry[Place]]:
        """Returns the entries of a mapping or list; a single value has none."""

    def _path(self, key: str) -> Sequence[Entry[Place]] | None:
        """Returns the entries that lead to a dotted key; the names in it may contain dots themselves."""
        found = list(self._paths(self._root(), key))
        if len(found) > 1:
            lines = " and ".join(str(self._line(path[-1].start)) for path in found)
            raise ConfigPatchError(
                f"{self.label}: the key {key} names several values, in lines {lines}.", "rename one of them."
            )
        return found[0] if found else None

    def _paths(self, place: Place, key: str) -> Iterator[list[Entry[Place]]]:
        entries = list(self._entries(place))
        names = [entry.name for entry in entries]
        for entry in entries:
            is_last = entry.name == key
            if not is_last and not key.startswith(f"{entry.name}."):
                continue
            if names.count(entry.name) > 1:
                raise self._refusal(entry.start, f"the key {entry.name} is repeated.", "remove all but one.")
            below = [[]] if is_last else self._paths(entry.place, key[len(entry.name) + 1 :])
            for path in below:
                yield [entry, *path]

    def _refusal(self, at: int, what: str, fix: str) -> ConfigPatchError:
        return ConfigPatchError(f"{self.label}:{self._line(at)}: {what}", fix)

    def _line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1


def is_same(one: object, other: object) -> bool:
    """Whether two single values are equal and of one type: 1 is neither 1.0 nor true."""
    return type(one) is type(other) and one == other
