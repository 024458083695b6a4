"""YAML text as plain values that remember where they stood: a mistake can be shown at its line.

A key given twice is a mistake, and so is a tag. `yaml_format` says which types plain scalars have. Knows
nothing of what a study is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from tuner.errors import SpecError
from tuner.spec.yaml_format import MAX_DEPTH, MAX_VALUES, TAG, TooLargeError, compose

Path = tuple[str | int, ...]

_MAX_BYTES = 1 << 20
_TOO_DEEP = "the YAML is nested too deeply."
_TOO_MANY = f"the file holds more than {MAX_VALUES:,} values."
_OTHER_FILE = "check that it is the right file."


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake: where it is, what it is, how to mend it."""

    path: Path
    what: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's content.

    Attributes:
        label: The file as the user knows it, such as `a100.yaml`.
        value: Plain dicts, lists and scalars.
        positions: (line, column) of every key and list item, by its path; both from 1.
        mistakes: Mistakes met while reading, such as a key given twice.
    """

    label: str
    value: Any
    positions: dict[Path, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def position(self, path: Path) -> tuple[int, int]:
        """Returns line and column of `path`, or of the nearest key or item around it; both from 1."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))

    def error(self, mistakes: Iterable[Mistake]) -> SpecError:
        """The first mistake in file order as an error that says how many more there are."""
        ordered = sorted(mistakes, key=lambda mistake: self.position(mistake.path))
        first, num_more = ordered[0], len(ordered) - 1
        message = f"{self.label}:{self.position(first.path)[0]}: {first.what}"
        more = f" (and {num_more} more)" if num_more else ""
        return SpecError(message, first.fix + more)


def read_document(data: bytes, label: str) -> Document:
    """Reads a file's bytes.

    Raises:
        SpecError: They are not UTF-8, not YAML, too large, nested too deeply, or use tags.
    """
    if len(data) > _MAX_BYTES:
        what = f"{label}:1: the file has {len(data) / _MAX_BYTES:.1f} MiB; a study has 1 MiB at most."
        raise SpecError(what, _OTHER_FILE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SpecError(
            f"{label}:{line}: the file is not UTF-8 text (byte {data[error.start]:#04x}).",
            "save it as UTF-8.",
        ) from None
    try:
        node = compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        # ruamel.yaml 0.19 shows what it found as a tuple, "(']',)", where it wants the next document.
        problem = re.sub(r"\(('.*'),\)$", r"\1", error.problem or error.context or "")
        raise SpecError(
            f"{label}:{line}: cannot read the YAML: {problem} (column {column}).",
            "check the indentation (spaces, no tabs), colons, quotes and brackets there.",
        ) from None
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise SpecError(
            f"{label}:{line}: cannot read the YAML: {error.reason}.",
            "remove the control character.",
        ) from None
    except TooLargeError as error:
        what, fix = (_TOO_DEEP, "make it flatter.") if error.is_deep else (_TOO_MANY, _OTHER_FILE)
        raise SpecError(f"{label}:{error.line}: {what}", fix) from None
    document = Document(label=label, value={})
    value = None if node is None else _Reader(document).plain(node, (), ())
    return Document(label=label, value=value, positions=document.positions, mistakes=document.mistakes)


@dataclass(slots=True)
class _Reader:
    """Turns nodes into values and notes their positions in `document`."""

    document: Document
    num_values: int = 0

    def plain(self, node: Node, path: Path, around: tuple[int, ...]) -> Any:
        """The value of a node; `around` are the ids of the nodes it is inside of."""
        self.num_values += 1
        if id(node) in around or self.num_values > MAX_VALUES:
            what = "an alias contains itself" if id(node) in around else "its aliases expand without end"
            raise self.document.error([Mistake(path=path, what=f"{what}.", fix="write the value out.")])
        if len(path) > MAX_DEPTH:
            raise self.document.error([Mistake(path=path, what=_TOO_DEEP, fix="make it flatter.")])
        inside = (*around, id(node))
        if isinstance(node, MappingNode) and str(node.tag) == f"{TAG}map":
            return self._mapping(node, path, inside)
        if isinstance(node, SequenceNode) and str(node.tag) == f"{TAG}seq":
            return [self._at(item, item, (*path, k), inside) for k, item in enumerate(node.value)]
        convert = _SCALARS.get(str(node.tag).removeprefix(TAG))
        tag = str(node.tag).replace(TAG, "!!")
        if not isinstance(node, ScalarNode) or convert is None:
            raise self.document.error(
                [Mistake(path=path, what=f"the YAML tag {tag!r} is not allowed.", fix="drop it.")]
            )
        try:
            return convert(node.value)
        except ValueError:
            raise self.document.error(
                [
                    Mistake(
                        path=path,
                        what=f"cannot read {node.value[:40]!r}.",
                        fix="write it differently.",
                    )
                ]
            ) from None

    def _mapping(self, node: MappingNode, path: Path, inside: tuple[int, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            if key in result:
                line = self.document.position((*path, key))[0]
                # The mistake is the second one; a path of its own keeps the first one's position.
                here: Path = (*path, key, f"{key} again")
                self.document.positions[here] = _position(key_node)
                self.document.mistakes.append(
                    Mistake(
                        path=here,
                        what=f"the key {key!r} is given twice, first on line {line}.",
                        fix="remove one.",
                    )
                )
                continue
            result[key] = self._at(key_node, value_node, (*path, key), inside)
        return result

    def _at(self, place: Node, node: Node, path: Path, inside: tuple[int, ...]) -> Any:
        self.document.positions[path] = _position(place)
        return self.plain(node, path, inside)


def _position(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


_SCALARS: dict[str, Any] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(re.sub(r"\.(inf|nan)", r"\1", text.lower())),
    "str": str,
}
