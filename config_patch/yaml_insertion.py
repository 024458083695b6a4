"""Finds where a YAML text takes a missing key, and the text to insert: last in its mapping, in its style.

Knows block and flow style. Whether the new text says what it should is for others to check.
"""

from __future__ import annotations

import json
import re

import yaml as pyyaml
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_STEP = 2
"""Spaces that a new mapping is indented by."""

_LINE_END = re.compile(r"\r?\n")


def insertion(root: Node, text: str, key: str) -> tuple[int, str]:
    """Returns where to insert a dotted key with a placeholder for its value, and the text to insert.

    The text is empty if what stands there is not a mapping, so that it cannot hold the key.
    """
    names, node, holder, name = key.split("."), root, root, root
    while (pair := _pair(node, names[0])) is not None:
        holder, (name, node) = node, pair
        names.pop(0)
    if isinstance(node, MappingNode) and not node.value:
        return node.end_mark.index - 1, _flow(names)  # `{}`
    if isinstance(node, MappingNode) and node.flow_style:
        return _end(node, text), f", {_flow(names)}"
    if isinstance(node, MappingNode):
        return _block(names, text, _end(node, text), node.value[0][0].start_mark.column)
    is_empty = isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index
    if not (is_empty and isinstance(holder, MappingNode)):
        return node.start_mark.index, ""
    colon = text.find(":", name.end_mark.index) + 1  # `training:` with nothing below
    if holder.flow_style:
        return colon, f" {{{_flow(names)}}}"
    return _block(names, text, colon, name.start_mark.column + _STEP)


def _pair(node: Node, name: str) -> tuple[Node, Node] | None:
    """Returns the nodes of a name and of its value; in a list, the value's node twice."""
    if isinstance(node, MappingNode):
        return next((pair for pair in node.value if pair[0].value == name), None)
    if isinstance(node, SequenceNode):
        return next(((value, value) for k, value in enumerate(node.value) if str(k) == name), None)
    return None


def _end(node: Node, text: str) -> int:
    """Returns where a value's last characters are; a block's own mark comes after trailing comments."""
    if isinstance(node, ScalarNode) or not node.value:
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        return start + len(text[start:end].rstrip())
    name, value = node.value[-1] if isinstance(node, MappingNode) else (None, node.value[-1])
    if name is not None and _is_elsewhere(name, value):
        return text.find(":", name.end_mark.index) + 1
    return _end(value, text)


def _is_elsewhere(name: Node, value: Node) -> bool:
    """Whether a value's marks do not show where its entry ends: it is an alias, or empty."""
    start, end = value.start_mark.index, value.end_mark.index
    return bool(start < name.end_mark.index or start == end)


def _block(names: list[str], text: str, behind: int, indent: int) -> tuple[int, str]:
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = [f"{' ' * (indent + _STEP * k)}{_written(name)}:" for k, name in enumerate(names)]
    end = _LINE_END.search(text, behind)
    return end.start() if end else len(text), newline + newline.join(lines) + " 0"


def _flow(names: list[str]) -> str:
    *above, last = map(_written, names)
    return "".join(f"{name}: {{" for name in above) + f"{last}: 0" + "}" * len(above)


def _written(name: str) -> str:
    """Returns a key as YAML text, quoted if YAML would not read it as text otherwise."""
    try:
        is_plain = pyyaml.safe_load(f"{{{name}: 0}}") == {name: 0}
    except (pyyaml.YAMLError, ValueError):
        is_plain = False
    return name if is_plain else json.dumps(name)
