"""YAML text as plain values that remember where they stood: a mistake can be shown at its line.

YAML is read as version 1.2 says: `1e-4` is a number, `yes` and `on` are words. A key given twice is
a mistake. Knows nothing of what a study is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from tuner.errors import SpecError

Path = tuple[str | int, ...]

_MAX_VALUES = 20_000
_TAG = "tag:yaml.org,2002:"
_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


class _Loader(yaml.SafeLoader):
    """A safe loader with the implicit types of YAML 1.2."""

    # PyYAML declares it as an instance variable, so ClassVar would be refused by mypy.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or 1.2 would take for another type."""


for _name, _pattern, _first in _RESOLVERS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})$"), _first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
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
        problems: Mistakes met while reading, such as a key given twice.
    """

    label: str
    value: Any
    positions: dict[Path, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def position(self, path: Path) -> tuple[int, int]:
        """Where `path`, or the nearest thing around it, stands."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))

    def error(self, problems: Iterable[Problem]) -> SpecError:
        """The first problem in file order as an error that says how many more there are."""
        ordered = sorted(problems, key=lambda problem: self.position(problem.path))
        first, num_more = ordered[0], len(ordered) - 1
        message = f"{self.label}:{self.position(first.path)[0]}: {first.what}"
        more = f" (and {num_more} more)" if num_more else ""
        return SpecError(message, first.fix + more)


def read_document(data: bytes, label: str) -> Document:
    """Reads a file's bytes.

    Raises:
        SpecError: They are not UTF-8, not YAML, or use tags.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SpecError(
            f"{label}:{line}: the file is not UTF-8 text (byte {data[error.start]:#04x}).",
            "save it as UTF-8.",
        ) from None
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise SpecError(
            f"{label}:{line}: cannot read the YAML: {error.problem or error.context} (column {column}).",
            "check the indentation (spaces, no tabs), colons, quotes and brackets there.",
        ) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise SpecError(
            f"{label}:{line}: cannot read the YAML: {error.reason}.",
            "remove the control character.",
        ) from None
    except RecursionError:
        raise SpecError(f"{label}:1: the YAML is nested too deeply.", "make it flatter.") from None
    document = Document(label=label, value={})
    value = None if node is None else _Reader(document).plain(node, (), ())
    return Document(label=label, value=value, positions=document.positions, problems=document.problems)


@dataclass(slots=True)
class _Reader:
    """Turns nodes into values and notes their positions in `document`."""

    document: Document
    num_values: int = 0

    def plain(self, node: yaml.Node, path: Path, around: tuple[int, ...]) -> Any:
        """The value of a node; `around` are the ids of the nodes it is inside of."""
        self.num_values += 1
        if id(node) in around or self.num_values > _MAX_VALUES:
            what = "an alias contains itself" if id(node) in around else "its aliases expand without end"
            raise self.document.error([Problem(path=path, what=f"{what}.", fix="write the value out.")])
        inside = (*around, id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path, inside)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self._at(item, item, (*path, k), inside) for k, item in enumerate(node.value)]
        convert = _SCALARS.get(node.tag.removeprefix(_TAG))
        tag = node.tag.replace(_TAG, "!!")
        if not isinstance(node, yaml.ScalarNode) or convert is None:
            raise self.document.error(
                [Problem(path=path, what=f"the YAML tag {tag!r} is not allowed.", fix="drop it.")]
            )
        try:
            return convert(node.value)
        except ValueError:
            raise self.document.error(
                [
                    Problem(
                        path=path,
                        what=f"cannot read {node.value[:40]!r}.",
                        fix="write it differently.",
                    )
                ]
            ) from None

    def _mapping(self, node: yaml.MappingNode, path: Path, inside: tuple[int, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in result:
                line = self.document.position((*path, key))[0]
                # The mistake is the second one; a path of its own keeps the first one's position.
                here: Path = (*path, key, f"{key} again")
                self.document.positions[here] = _position(key_node)
                self.document.problems.append(
                    Problem(
                        path=here,
                        what=f"the key {key!r} is given twice, first on line {line}.",
                        fix="remove one.",
                    )
                )
                continue
            result[key] = self._at(key_node, value_node, (*path, key), inside)
        return result

    def _at(self, place: yaml.Node, node: yaml.Node, path: Path, inside: tuple[int, ...]) -> Any:
        self.document.positions[path] = _position(place)
        return self.plain(node, path, inside)


def _position(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


_SCALARS: dict[str, Any] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(re.sub(r"\.(inf|nan)", r"\1", text.lower())),
    "str": str,
}


def write_yaml(values: dict[str, Any]) -> str:
    """Plain values as YAML that `read_document` reads back the same; inner lists in one line."""
    return yaml.dump(
        values,
        Dumper=_Dumper,
        sort_keys=False,
        width=100,
        allow_unicode=True,
        default_flow_style=None,
    )
