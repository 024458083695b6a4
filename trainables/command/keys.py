"""The option ``keys``: our names for a script's figures, the script's own, and expressions over those.

A key is an expression if Python can read it and it has an operator with a space on both sides, or is a
``min(...)`` or ``max(...)`` of several values. Anything else is a name, such as ``eval/loss``, ``val-nrmse``
and ``val nrmse``. A figure that the script itself calls so comes first in any case. Does not know lines or
files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from foundation.expressions import ARITHMETIC, Dialect, ExpressionError, Rows, names_in, read
from trainables.command.mistakes import mistake
from trainables.command.objects import MISSING, lookup, number_of, short

CLOCKS = ("time_s", "time_per_epoch")
METRICS = ("nrmse", "loss", *CLOCKS, "peak_memory_gib")
KEYS = (*METRICS, "epoch")

_EXPRESSIONS = Dialect(
    noun="expression",
    allowed=ARITHMETIC,
    has_paths=True,
    grammar="use names, numbers, + - * / // %, min, max and parentheses, and put a name with other "
    "characters in quotes, such as 'eval/rmse' / 'eval/rms'",
    compared="use numbers",
    excluded="have the script report the finished figure, or NaN where it has no answer",
)
_SPACED = re.compile(rb"[\s)]*\s[^\s()]+\s[\s(]*")
"""What stands between two operands if the operator has a space on both sides."""


def name_of(ours: str, keys: Mapping[str, str]) -> str:
    """Returns the script's name for a metric or the epoch, or an expression; "" if it is not read.

    Times are read only where ``keys`` names them, since their meaning varies.
    """
    return keys.get(ours, "" if ours in CLOCKS else ours)


def find(values: Mapping[Any, Any], key: str) -> Any:
    """Returns what a key names among a script's figures, or what its expression comes to.

    Args:
        values: One report of the script.
        key: A name, a dotted path into nested objects, or an expression over them.

    Returns:
        The value as the script wrote it, or a float; ``MISSING`` if it, or any name in the expression, is
        not there; None if any of them is ``null``.

    Raises:
        ValueError: A name in the expression stands for something else than a number, or the expression
            divides by zero; the message has the fix.
    """
    value = lookup(values, key)
    tree = _tree_of(key)
    if value is not MISSING or tree is None:
        return value
    operands = {name: lookup(values, name) for name in names_in(tree)}
    for empty in (MISSING, None):
        if any(operand is empty for operand in operands.values()):
            return empty
    columns = {}
    for name, operand in operands.items():
        number = number_of(operand)
        if number is None:
            raise ValueError(
                f"{name}={short(operand)} is not a number, so {key!r} cannot be worked out. "
                "Fix: print a number, or correct the expression in keys."
            )
        columns[name] = np.array([number])
    try:
        return float(Rows(key, _EXPRESSIONS, columns, 1).number(tree)[0])
    except ExpressionError as error:
        raise ValueError(f"{error.message} Fix: {error.hint}.") from None


def names_of(key: str) -> list[str]:
    """Returns the names of the figures that a key needs: itself, or those in its expression."""
    tree = _tree_of(key)
    return [key] if tree is None else names_in(tree)


def has(values: Mapping[Any, Any], key: str) -> bool:
    """Whether a report has what a key names, or every figure that its expression needs."""
    names = {key, *names_of(key)} - {key}
    is_there = lookup(values, key) is not MISSING
    return is_there or (bool(names) and all(lookup(values, name) is not MISSING for name in names))


def told(ours: str, key: str) -> str:
    """Returns a key as a message names what was looked for."""
    names = names_of(key)
    if names == [key]:
        return repr(key)
    return f"{' and '.join(map(repr, names))} of keys.{ours}={key!r}"


def advice(ours: str, key: str, seen: Collection[str]) -> str:
    """Returns how to map a metric that was not found, with a name from the output if one looks like it.

    Args:
        ours: Our name for it, as the study calls it.
        key: What was looked for.
        seen: Names in the output.
    """
    tree = _parsed(key)
    if _tree_of(key) is None and isinstance(tree, ast.expr) and _operands(tree) <= set(seen):
        if _operators(tree, key):
            return f"write spaces around the operators of keys.{ours}={key!r}, so that it is worked out"
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            return f"write keys: {{{ours}: 0 - {ast.unparse(tree.operand)}}}, so that it is worked out"
        if isinstance(tree, ast.Call):
            return (
                f"have it report {key} itself, under a name for keys.{ours}: expressions have + - * / // %, "
                "and min and max of several"
            )
    likely = [name for name in seen if ours.lower() in name.lower()]
    return f"write keys: {{{ours}: {likely[0] if likely else 'NAME'}}} in the stage's options"


def example(key: str, value: str = "0.1") -> str:
    """Returns an object that has every figure that a key needs, for messages."""
    return "{" + ", ".join(f'"{name}": {value}' for name in names_of(key)) + "}"


def check_keys(keys: Mapping[str, str], word: Callable[[str], str]) -> None:
    """Raises ValueError for a name that is not ours, an expression that cannot be, or two clocks.

    Args:
        keys: The option.
        word: Returns a name of ours as the study calls it.
    """
    for ours, key in keys.items():
        if ours not in KEYS:
            raise mistake("keys", ours, f"use one of {', '.join(map(word, KEYS))}")
        try:
            if not names_of(key):
                raise mistake(f"keys.{word(ours)}", key, "name a figure of the script in the expression")
        except ExpressionError as error:
            raise ValueError(f"stage option keys.{word(ours)}: {error.message} Fix: {error.hint}.") from None
    if keys.get("time_per_epoch") and keys.get("time_s"):
        fix = "keep time_s if the script's figure is cumulative, else time_per_epoch"
        raise mistake("keys", "time_s and time_per_epoch", fix)


def check_groups(keys: Mapping[str, str], pattern: str) -> None:
    """Raises ValueError for a key that no group of the regex of option ``pattern`` gives."""
    groups = re.compile(pattern).groupindex
    for ours in {"nrmse": "", **keys}:
        for name in names_of(name_of(ours, keys)):
            if name and name not in groups:
                fix = rf"give the regex a group named {name}, such as {name}=(?P<{name}>[-+.\w]+)"
                raise mistake("pattern", pattern, fix)


@lru_cache(maxsize=256)
def _tree_of(key: str) -> ast.expr | None:
    """Returns the syntax tree of an expression; None for a name.

    Raises:
        ExpressionError: It is an expression, but not one that may be.
    """
    tree = _parsed(key)
    operators = _operators(tree, key)
    if not any(operators) and not _is_extreme(tree):
        return None
    if not all(operators):
        raise ExpressionError(
            f"the expression {key!r} has operators with and without spaces around them.",
            "write spaces around every operator, and put a name that has such characters in quotes, such as "
            "'eval/rmse' / 'eval/rms'",
            key,
        )
    return read(key.strip(), _EXPRESSIONS)


def _parsed(key: str) -> ast.expr | None:
    try:
        return ast.parse(key.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _operators(tree: ast.expr | None, key: str) -> list[bool]:
    """Returns for each binary operator whether it has a space on both sides."""
    text = key.strip().encode()  # columns of syntax trees count bytes
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp)] if tree else []
    return [
        bool(_SPACED.fullmatch(text[node.left.end_col_offset or 0 : node.right.col_offset])) for node in nodes
    ]


def _is_extreme(tree: ast.expr | None) -> bool:
    is_call = isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and len(tree.args) > 1
    return is_call and tree.func.id in ("min", "max")  # type: ignore[union-attr]


def _operands(tree: ast.expr) -> set[str]:
    """Returns the names and dotted paths that a text would be worked out from, without those of functions."""
    if isinstance(tree, ast.Name | ast.Attribute):
        return {ast.unparse(tree)}
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        return {tree.value}
    inner = tree.args if isinstance(tree, ast.Call) else ast.iter_child_nodes(tree)
    return {name for node in inner if isinstance(node, ast.expr) for name in _operands(node)}
