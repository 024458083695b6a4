"""Finds objects in a line of text, as JSON or as Python prints a dict, and values in them.

Work and memory are bounded whatever the line holds. Does not know what the values mean.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from foundation.one_line import one_line

MAX_TRIES = 20
"""Number of braces of a line that are tried as the beginning of an object."""
MAX_PYTHON = 8_192
"""Longest Python dict that is read, in characters."""
MAX_NAMES = 20
MAX_NAME = 60
"""Most names that are shown, and most characters of each."""

MISSING = object()
"""The answer of ``lookup`` for a name that is not there; None is a value (``null``)."""

MAX_QUOTE = 200
"""Most characters of a line or a value that a message quotes."""

_JSON = json.JSONDecoder()
_BRACES = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[{}]""")
_CONSTANTS = {"nan": float("nan"), "inf": float("inf"), "NaN": float("nan"), "Infinity": float("inf")}
_NUMBER_TYPES = re.compile(r"(?:u?int|float|bfloat)\d+|array|tensor")


class MissingKeyError(ValueError):
    """What a script reports has other names than the one that the options say; the message has the fix."""


def objects_in(line: str) -> Iterator[dict[Any, Any]]:
    """Returns the outermost objects of a line, in order; what stands around them does not matter."""
    at = 0
    for _ in range(MAX_TRIES):
        begin = line.find("{", at)
        if begin < 0:
            return
        found = _json_at(line, begin) or _python_at(line, begin)
        if found is not None:
            yield found[0]
        at = found[1] if found else begin + 1


def lookup(values: Mapping[Any, Any], name: str) -> Any:
    """Returns the value of a name, else of a dotted path into nested objects, else ``MISSING``."""
    if name in values:
        return values[name]
    for dot in (match.start() for match in re.finditer(r"\.", name)):
        inner = values.get(name[:dot])
        if isinstance(inner, Mapping):
            value = lookup(inner, name[dot + 1 :])
            if value is not MISSING:
                return value
    return MISSING


def names(values: Mapping[Any, Any]) -> list[str]:
    """Returns the first names, short enough to be shown; names in nested objects are dotted."""
    found: list[str] = []
    for name, value in islice(values.items(), MAX_NAMES):
        inner = islice(value, MAX_NAMES) if isinstance(value, Mapping) else ()
        found += [f"{name}.{key}" for key in inner] or [str(name)]
    return [one_line(name, MAX_NAME) for name in found[:MAX_NAMES]]


def number_of(value: object) -> float | None:
    """Returns a number as a float; None for anything else, ``true`` and text included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if value > 0 else -math.inf


def short(value: object) -> str:
    """Returns a value as a message quotes it."""
    text = repr(value)
    return text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE]}..."


def _json_at(line: str, begin: int) -> tuple[dict[Any, Any], int] | None:
    try:
        return _JSON.raw_decode(line, begin)
    except (ValueError, RecursionError):
        return None


def _python_at(line: str, begin: int) -> tuple[dict[Any, Any], int] | None:
    end = _closing_brace(line, begin)
    if end is None:
        return None
    try:
        tree = _Figures().visit(ast.parse(line[begin:end], mode="eval"))
        values = ast.literal_eval(tree)
    except (
        ValueError,
        SyntaxError,
        TypeError,
        RecursionError,
        MemoryError,
    ):  # MemoryError: the parser's stack
        return None
    return (values, end) if isinstance(values, dict) else None


def _closing_brace(line: str, begin: int) -> int | None:
    depth = 0
    for match in _BRACES.finditer(line, begin, begin + MAX_PYTHON):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return None


class _Figures(ast.NodeTransformer):
    """Turns what Python prints for a number into one: ``nan``, ``inf``, ``np.float64(0.1)``, ``tensor(0.1)``.

    Quoted values become numbers too, since Hugging Face's Trainer prints its figures in quotes.
    """

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(_CONSTANTS[node.id]) if node.id in _CONSTANTS else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return self.visit(node.args[0]) if node.args and _NUMBER_TYPES.fullmatch(name) else node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        node.values = [_unquoted(self.visit(value)) for value in node.values]
        return node


def _unquoted(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.Constant(float(node.value))
        except ValueError:
            return node
    return node
