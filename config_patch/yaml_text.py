"""YAML: ruamel.yaml says where each value begins and ends, and which values an alias shares.

Readers differ: PyYAML (YAML 1.1) takes `on` for true, `10:30` for 630 and `1e-5` for text, others (1.2) do
not. So the text of a value that is not replaced is never touched, and a new one is written so that both read
the same.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Self

import yaml as pyyaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from config_patch.errors import ConfigPatchError
from config_patch.text import ConfigText, Entry, Spot, is_same
from config_patch.yaml_insertion import insertion


class YamlText(ConfigText[Node]):
    """YAML text of one document; a value's place is its node."""

    def __init__(self, text: str, label: str) -> None:
        super().__init__(text, label)
        yaml = YAML(typ="safe", pure=True)
        yaml.composer.warn_double_anchors = False
        try:
            self._node = yaml.compose(text)
        except YAMLError as error:
            raise _unreadable(error, label) from None
        if not isinstance(self._node, MappingNode | SequenceNode):
            raise ConfigPatchError(f"{label}: it has no keys.", "name a file that has.")
        self._num_uses = _num_uses(self._node)

    def find(self, key: str) -> Spot | None:
        """See `ConfigText.find`; a value that an alias or a merge uses elsewhere must not be replaced."""
        path = self._path(key)
        if path is None:
            return None
        for entry in path:
            if self._num_uses[id(entry.place)] > 1:
                what = f"the value of {key} is used elsewhere too, through the alias *{entry.place.anchor}."
                fix = "write the values out where the alias stands, so that each place has its own."
                raise self._refusal(path[-1].start, what, fix)
        return self._spot(path[-1], key)

    def holds(self, spot: Spot, value: object) -> bool:
        """See `ConfigText.holds`; asks readers of YAML 1.2 and of 1.1."""
        return all(is_same(read, value) for read in _readings(self.text[spot.start : spot.end]))

    def written(self, value: object) -> str:
        """See `ConfigText.written`; text is quoted, so that it stays text."""
        if isinstance(value, float):  # YAML 1.1 wants a point before the exponent
            return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
        return re.sub(r"[^ -~]", _escaped, json.dumps(value, ensure_ascii=False))

    def is_changed_only_at(self, values: Mapping[str, Any], before: Self) -> bool:
        """See `ConfigText.is_changed_only_at`."""
        paths = [path for key in values if (path := before._path(key))]
        return _is_same_but(before._node, self._node, {id(path[-1].place) for path in paths})

    def _root(self) -> Node:
        root: Node = self._node
        return root

    def _with_key(self, key: str) -> str:
        at, added = insertion(self._node, self.text, key)
        if not added:
            what = f"{key} cannot be added: what stands here is not a mapping."
            raise self._refusal(at, what, "correct the key.")
        return self.text[:at] + added + self.text[at:]

    def _entries(self, place: Node) -> Iterator[Entry[Node]]:
        if isinstance(place, MappingNode):
            for name, value in place.value:
                if isinstance(name, ScalarNode):
                    start, end = name.start_mark.index, name.end_mark.index
                    yield Entry(name=name.value, start=start, end=end, place=value)
        elif isinstance(place, SequenceNode):
            for index, value in enumerate(place.value):
                start = value.start_mark.index
                yield Entry(name=str(index), start=start, end=start, place=value)

    def _spot(self, entry: Entry[Node], key: str) -> Spot:
        node = entry.place
        if not isinstance(node, ScalarNode):
            raise self._refusal(entry.start, f"{key} is not a single value.", "name a key that holds one.")
        start, end = node.start_mark.index, node.end_mark.index
        if node.anchor or self.text[start : start + 1] in ("&", "!"):
            raise self._refusal(start, f"{key} has an anchor or a tag.", "write the plain value there.")
        if start == end and entry.start < entry.end:  # nothing is written: it belongs after the key's colon
            start = end = self.text.find(":", entry.end) + 1
        return Spot(start=start, end=start + len(self.text[start:end].rstrip()))


def _unreadable(error: YAMLError, label: str) -> ConfigPatchError:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    said = [getattr(error, part, None) for part in ("context", "problem", "reason")]
    problem = ", ".join(part for part in said if part)
    return ConfigPatchError(f"{label}{line}: it is not valid YAML: {problem}.", "correct it there.")


def _num_uses(root: Node) -> Counter[int]:
    """Counts how often each node (by its id) is used, as an entry or through an alias."""
    uses: Counter[int] = Counter()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        uses[id(node)] += 1
        if uses[id(node)] == 1 and isinstance(node, MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif uses[id(node)] == 1 and isinstance(node, SequenceNode):
            waiting += node.value
    return uses


def _readings(text: str) -> Iterator[Any]:
    """Returns a value as YAML 1.2 and 1.1 readers see it; the exception for a reader that fails."""
    for load in (YAML(typ="safe", pure=True).load, pyyaml.safe_load):
        try:
            yield load(text)
        except (YAMLError, pyyaml.YAMLError, ValueError) as error:  # ValueError: no such date
            yield error


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _is_same_but(before: Node, after: Node, replaced: set[int]) -> bool:
    """Whether two trees say the same, apart from nodes of `before` and from keys that were added."""
    waiting, seen = [(before, after)], set()
    while waiting:
        one, other = waiting.pop()
        if id(one) in replaced or (id(one), id(other)) in seen:
            continue
        seen.add((id(one), id(other)))
        if isinstance(one, ScalarNode) and not one.value and isinstance(other, MappingNode):
            continue  # `training:` with nothing below, where keys were added
        if type(one) is not type(other) or one.tag != other.tag or len(one.value) > len(other.value):
            return False
        if isinstance(one, ScalarNode):
            if one.value != other.value:
                return False
        elif isinstance(one, MappingNode):
            pairs = zip(one.value, other.value, strict=False)
            waiting += [parts for pair, new in pairs for parts in zip(pair, new, strict=True)]
        else:
            waiting += zip(one.value, other.value, strict=False)
    return True
