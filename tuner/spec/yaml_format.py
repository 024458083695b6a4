"""YAML as this project reads and writes it, through ruamel.yaml; knows nothing of what a file says.

Reading takes the types of YAML 1.2, with decimal numbers only: `1e-4` is a number, `yes` and `on` are words,
and `010` is ten. A `%YAML` line does not change this. Writing quotes every text that a reader of YAML 1.1 or
1.2 would take for something else, since the scripts that read our files may use either.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.emitter import Emitter
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import BaseResolver, implicit_resolvers

TAG = "tag:yaml.org,2002:"
"""The prefix of the tags of YAML's own types."""

MAX_VALUES = 20_000
"""Most values and keys of a file, those that aliases repeat included."""
MAX_DEPTH = 100
"""Most lists and mappings around a value."""
_MAX_TAG = 1000
"""Most characters of a tag, which ruamel.yaml decodes in quadratic time."""

_TYPES = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)
"""Types that a plain scalar may have: name, pattern, first characters."""


class _ReadingResolver(BaseResolver):
    """Gives plain scalars the types above, whatever version a file claims."""

    def __init__(self, version: object = None, loader: Any = None, loadumper: Any = None) -> None:
        super().__init__(loader or loadumper)

    @property
    def processing_version(self) -> tuple[int, int]:
        """The version by which the parser decides what differs between versions."""
        return (1, 2)


class _WritingResolver(_ReadingResolver):
    """Also knows the types of the versions 1.1 and 1.2, so that texts that look like one are quoted."""


for _, _tag, _pattern, _first in implicit_resolvers:
    _WritingResolver.add_implicit_resolver_base(_tag, _pattern, _first)
for _name, _text, _first in _TYPES:
    for _class in (_ReadingResolver, _WritingResolver):
        _class.add_implicit_resolver_base(TAG + _name, re.compile(rf"(?:{_text})$"), _first)


class TooLargeError(Exception):
    """A file with more values than `MAX_VALUES`, or one deeper than `MAX_DEPTH`.

    Args:
        line: The line of the first value that is too much, from 1.
        is_deep: Whether it is too deep; else there are too many before it.
    """

    def __init__(self, line: int, *, is_deep: bool) -> None:
        super().__init__(line, is_deep)
        self.line, self.is_deep = line, is_deep


class _Composer(Composer):
    """Stops at the first value that is too much: a file of 1 MiB may hold so many that they take minutes."""

    num_values = num_around = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Composes a value, and all that is in it."""
        self.num_values += 1
        event = self.parser.peek_event()
        is_deep = self.num_around > MAX_DEPTH
        if is_deep or self.num_values > MAX_VALUES:
            raise TooLargeError(event.start_mark.line + 1, is_deep=is_deep)
        tag = getattr(event, "ctag", None)
        if tag is not None and len(tag.suffix or "") > _MAX_TAG:
            raise ComposerError(
                None, None, f"found a tag of {len(tag.suffix):,} characters", event.start_mark
            )
        self.num_around += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.num_around -= 1


class _Emitter(Emitter):
    """Breaks lines between entries only, and leaves no text plain that YAML 1.1 does not read.

    ruamel.yaml itself breaks plain texts in their middle, even keys, and does not quote `:0` or `[a:b]`.
    """

    def analyze_scalar(self, scalar: str) -> Any:
        """Returns the styles that a text may be written in."""
        analysis = super().analyze_scalar(scalar)
        if ":" in scalar or scalar.startswith("?"):
            analysis.allow_flow_plain = False
            analysis.allow_block_plain &= scalar[0] not in ":?"
        return analysis

    def write_plain(self, text: str, split: bool = True) -> None:
        """Writes a text without quotes, in one line."""
        width, self.best_width = self.best_width, sys.maxsize
        super().write_plain(text, split)
        self.best_width = width


class _Representer(SafeRepresenter):
    """Writes texts and numbers so that readers of YAML 1.1 and of 1.2 find the same."""

    def represent_str(self, data: str) -> ScalarNode:
        """A text, with escapes for the characters that are line breaks in YAML 1.1 only."""
        style = '"' if re.search("[\x85\u2028\u2029]", data) else None
        node: ScalarNode = self.represent_scalar(f"{TAG}str", data, style=style)
        return node

    def represent_float(self, data: float) -> ScalarNode:
        """A float, with a point before the exponent, which YAML 1.1 wants."""
        node: ScalarNode = super().represent_float(data)
        node.value = re.sub(r"^(-?\d+)e", r"\1.0e", node.value)
        return node


_Representer.add_representer(str, _Representer.represent_str)
_Representer.add_representer(float, _Representer.represent_float)


def compose(text: str) -> Node | None:
    """The tree of nodes of a text's only document; None if it is empty.

    Raises:
        ruamel.yaml.error.YAMLError: The text is not YAML, or holds more than one document.
        TooLargeError: It holds too many values, or is nested too deeply.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver, yaml.Composer = _ReadingResolver, _Composer
    yaml.composer.warn_double_anchors = False
    node: Node | None = yaml.compose(text)
    return node


def write_yaml(values: Mapping[str, Any], *, width: int = 100, is_block: bool = False) -> str:
    """Plain values as YAML that `read_document` reads back the same.

    Args:
        values: Nested dicts, lists, texts, numbers, booleans and None.
        width: Characters after which a line is broken where it may be.
        is_block: Whether every list and mapping has a line an entry; else the innermost have a line each.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver, yaml.Representer, yaml.Emitter = _WritingResolver, _Representer, _Emitter
    yaml.default_flow_style = False if is_block else None
    yaml.representer.sort_base_mapping_type_on_output = False
    yaml.width = width
    written = io.StringIO()
    yaml.dump(values, written)
    return written.getvalue()
