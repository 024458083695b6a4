"""Values of a YAML (or JSON) text, replaced where they stand: comments, order and layout stay as they are.

ruamel.yaml says where each value begins and ends; only those characters are exchanged, so that a diff shows
nothing else. Keys that are not there yet are added by its round trip, which keeps comments and order too.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.util import load_yaml_guess_indent

from tuner.errors import TunerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value that was exchanged; `before` is None where the key was not there."""

    key: str
    before: str | None
    after: str


def patch(
    text: str, values: Mapping[str, Any], label: str, *, can_create: bool = False
) -> tuple[str, list[Change]]:
    """The text with each dotted key's value exchanged.

    Args:
        text: Of the file.
        values: Plain values by dotted key; a number in a key is a place in a list, from 0.
        label: The file as the user knows it.
        can_create: Add keys that are not there, instead of refusing them.

    Returns:
        The new text, and what changed, in the order of `values`; what has its value already did not.

    Raises:
        TunerError: It is no YAML, or a key is not there or is not a single value of its own.
    """
    root = _compose(text, label)
    before = _load(text, label)
    spans: list[tuple[int, int, str]] = []
    missing: dict[str, Any] = {}
    changes = []
    for key, value in values.items():
        name, node = _find(root, key, label)
        after = _written(value)
        if node is None:
            missing[key] = value
            changes.append(Change(key=key, before=None, after=after))
        elif _value_at(before, key) != value:
            start, end = _span(name, node, text, key, label)
            changes.append(Change(key=key, before=text[start:end].strip() or "null", after=after))
            spans.append((start, end, after if start < end else f" {after}"))
    if missing and not can_create:
        raise TunerError(
            f"{label}: there is no key {next(iter(missing))!r} in it.",
            "name the key by --map NAME=DOTTED.KEY, or add it with --create.",
        )
    for start, end, after in sorted(spans, reverse=True):
        text = text[:start] + after + text[end:]
    if missing:
        text = _created(text, missing, label)
    _check(before, text, values, label)
    return text, changes


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 10_000
    return yaml


def _compose(text: str, label: str) -> Node:
    try:
        root = _yaml().compose(text)
    except YAMLError as error:
        raise _unreadable(error, label) from None
    if not isinstance(root, MappingNode):
        raise TunerError(f"{label}: it holds no keys and values.", "name the pipeline's own YAML file.")
    return root


def _load(text: str, label: str) -> Any:
    """Plain values, what aliases and merges bring written out."""
    try:
        return _plain(_yaml().load(text))
    except YAMLError as error:
        raise _unreadable(error, label) from None


def _unreadable(error: YAMLError, label: str) -> TunerError:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or "it is not one YAML document"
    return TunerError(f"{label}{line}: cannot read the YAML: {problem}.", "correct it there.")


def _find(root: Node, key: str, label: str) -> tuple[Node | None, Node | None]:
    """The nodes of a dotted key's last name and of its value; no value when it is not there."""
    node, key_node = root, None
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if isinstance(node, MappingNode):
            pairs = ((name, value) for name, value in node.value if name.value == part)
            key_node, found = next(pairs, (None, None))
        elif isinstance(node, SequenceNode) and part.isdigit():
            key_node, found = None, node.value[int(part)] if int(part) < len(node.value) else None
        elif isinstance(node, ScalarNode) and not node.value:
            return None, None  # `training:` with nothing below
        else:
            above = ".".join(parts[:depth])
            raise TunerError(
                f"{label}:{node.start_mark.line + 1}: {above} holds no key {part!r}.",
                f"correct the key of --map: {key}.",
            )
        if found is None:
            return None, None
        node = found
    return key_node, node


def _span(name: Node | None, node: Node, text: str, key: str, label: str) -> tuple[int, int]:
    """Where the value's characters are."""
    start, end = node.start_mark.index, node.end_mark.index
    line = node.start_mark.line + 1
    if not isinstance(node, ScalarNode):
        raise TunerError(f"{label}:{line}: {key} is not a single value.", "name a key that holds one.")
    if text[start : start + 1] in ("&", "!") or getattr(node, "anchor", None):
        raise TunerError(
            f"{label}:{line}: {key} has an anchor or a tag that others may refer to.",
            "write the value out where it is used.",
        )
    if start == end and name is not None:  # nothing is there: right after the key's colon
        start = end = text.index(":", name.end_mark.index) + 1
    return start, end


def _value_at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[int(part)] if isinstance(values, list) else values[part]
    return values


def _written(value: Any) -> str:
    """A plain value as YAML writes it; text is quoted, so that it stays text."""
    return json.dumps(value)


def _created(text: str, values: Mapping[str, Any], label: str) -> str:
    data, indent, offset = load_yaml_guess_indent(text)
    yaml = _yaml()
    data = yaml.load(text)
    for key, value in values.items():
        *above, last = key.split(".")
        place = data
        for part in above:
            if isinstance(place, list):
                place = place[int(part)]
                continue
            if place.get(part) is None:
                place[part] = CommentedMap()
            place = place[part]
        if not isinstance(place, dict):
            raise TunerError(f"{label}: {'.'.join(above)} is a list.", "name an entry of it that is there.")
        place[last] = value
    yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def _check(before: Any, text: str, values: Mapping[str, Any], label: str) -> None:
    """Reads the new text back: it must hold the new values and, beside them, what it held before."""
    after = _load(text, label)
    for key, value in values.items():
        if _value_at(after, key) != value:
            raise TunerError(f"{label}: {key} cannot be set to {value!r} where it stands.", "set it by hand.")
    for key in values:
        for side in (before, after):
            _drop(side, key.split("."))
    if before != after:
        raise TunerError(
            f"{label}: exchanging these values would change others, which refer to them.", "set them by hand."
        )


def _drop(values: Any, parts: list[str]) -> None:
    """Takes a key out, and what is empty without it."""
    if isinstance(values, list):
        if int(parts[0]) < len(values) and len(parts) > 1:
            _drop(values[int(parts[0])], parts[1:])
        elif int(parts[0]) < len(values):
            values[int(parts[0])] = None
    elif isinstance(values, dict) and parts[0] in values:
        if len(parts) > 1:
            _drop(values[parts[0]], parts[1:])
        if len(parts) == 1 or not values[parts[0]]:
            del values[parts[0]]


def _plain(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {str(key): _plain(value) for key, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, list) else values
