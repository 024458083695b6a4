"""Constraints between parameters, as a study writes them: `micro_batch divides batch_size`.

A rule can say of one configuration whether and why it is broken, and of a whole product which rows
keep it. How its text is read and evaluated is the business of `foundation.expressions`; why that is
not `eval` is in docs/decisions/0001.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foundation.expressions import (
    COMPARISONS,
    EXACT,
    RULES,
    TRUTHS,
    Column,
    Dialect,
    ExpressionError,
    Rows,
    kind_of,
    names_in,
    pairs,
    read,
    shown,
    source,
)
from tuner.core.parameters import ParameterValue
from tuner.errors import SpecError

RESERVED = frozenset({"divides", "min", "max", "true", "false", "and", "or", "not", "True", "False"})
"""Words with a meaning of their own in a rule: no parameter may be called so."""

_CONSTRAINTS = Dialect(
    noun="constraint",
    allowed=RULES,
    grammar="use + - * / // %, comparisons, `X divides Y`, and, or, not, min, max and parentheses.",
    compared="compare it with something, such as `batch_size <= 48`.",
    excluded="exclude such values first, as in `batch_size > 6 and 12 / (batch_size - 6) <= 4`.",
)


class RuleError(SpecError):
    """A constraint that cannot be read or worked out.

    Args:
        message: The mistake; see `TunerError`.
        hint: The fix; see `TunerError`.
        text: The constraint.
    """

    def __init__(self, message: str, hint: str = "", text: str = "") -> None:
        super().__init__(message, hint)
        self.text = text


@contextmanager
def _as_our_error() -> Iterator[None]:
    """Turns what is wrong with an expression into a user's mistake in a study."""
    try:
        yield
    except ExpressionError as error:
        raise RuleError(error.message, error.hint, error.text) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One constraint; build it with `Rule.parse`.

    Attributes:
        text: The rule as written, with white space evened out.
        names: The parameters it names, in order of appearance.
    """

    text: str
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, names: Iterable[str]) -> Rule:
        """Reads a rule over the parameters `names`.

        Raises:
            RuleError: The rule cannot be read, uses what rules may not, or names what is not a parameter.
        """
        text, known = " ".join(text.split()), list(names)
        if not text:
            raise SpecError("a constraint is empty.", "write one, such as `batch_size * accum_steps <= 48`.")
        tree = cls._read(text)
        _require_truth(tree, text)
        used = [name for name in names_in(tree) if name in known or name not in TRUTHS]
        for name in used:
            if name not in known:
                raise RuleError(
                    f"the constraint {text!r} names {name!r}, which is not a parameter.",
                    _guess(name, known),
                    text,
                )
        if not used:
            raise RuleError(
                f"the constraint {text!r} names no parameter.",
                f"name one of {', '.join(known)}.",
                text,
            )
        return cls(text=text, names=tuple(used))

    def holds(self, values: Mapping[str, ParameterValue]) -> bool:
        """Whether one configuration, `{name: value}`, keeps the rule.

        Raises:
            RuleError: A value cannot be judged; see `mask`.
        """
        with _as_our_error():
            return bool(self._one(values).truth(self._read(self.text))[0])

    def mask(self, columns: Mapping[str, Column]) -> npt.NDArray[np.bool_]:
        """Returns which rows of `{name: column}` keep the rule, shape (rows,).

        Raises:
            RuleError: A column is missing, a number is divided by zero or leaves +-2^53, or words,
                numbers and booleans are mixed up.
        """
        with _as_our_error():
            return self._rows(columns).truth(self._read(self.text))

    def why(self, values: Mapping[str, ParameterValue]) -> str:
        """Says in words, with numbers filled in, why `values` break the rule (or that they do not)."""
        rows, tree = self._one(values), self._read(self.text)
        with _as_our_error():
            if rows.truth(tree)[0]:
                return f"{self.text} holds"
            return f"{self.text} does not hold: {_explain(tree, rows)}"

    @staticmethod
    def _read(text: str) -> ast.expr:
        with _as_our_error():
            return read(text, _CONSTRAINTS)

    def _one(self, values: Mapping[str, ParameterValue]) -> Rows:
        return self._rows({name: np.array([value]) for name, value in values.items() if name in self.names})

    def _rows(self, columns: Mapping[str, Column]) -> Rows:
        missing = [name for name in self.names if name not in columns]
        if missing:
            raise RuleError(
                f"the constraint {self.text!r} needs a value of {', '.join(missing)}.",
                text=self.text,
            )
        own = {name: np.asarray(columns[name]) for name in self.names}
        for name, column in own.items():
            if kind_of(column) == "thing" or (kind_of(column) == "number" and np.any(np.abs(column) > EXACT)):
                raise RuleError(
                    f"the constraint {self.text!r} cannot work with the values of {name}.",
                    "use numbers up to 2^53, words, or true and false, without mixing them.",
                    self.text,
                )
        return Rows(self.text, _CONSTRAINTS, own, len(own[self.names[0]]))


def _require_truth(tree: ast.expr, text: str) -> None:
    """Raises RuleError for a rule that can only be a number or a word."""
    is_signed = isinstance(tree, ast.UnaryOp) and not isinstance(tree.op, ast.Not)
    is_value = isinstance(tree, ast.Constant) and not isinstance(tree.value, bool)
    if isinstance(tree, ast.BinOp | ast.Call) or is_signed or is_value:
        raise RuleError(
            f"the constraint {text!r} is neither true nor false.",
            "compare it with something, such as `batch_size * accum_steps <= 48`.",
            text,
        )


def _guess(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    listed = f"the parameters are {', '.join(known)}."
    return f"did you mean {close[0]!r}? {listed[0].upper()}{listed[1:]}" if close else listed


def _explain(node: ast.expr, row: Rows) -> str:
    """Says why an expression is false in the single row: the part that decides it, with its numbers."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return _explain(next(part for part in node.values if not row.truth(part)[0]), row)
    return (
        _filled(node, row).replace(" divides ", " does not divide ")
        if _is_division(node)
        else _filled(node, row)
    )


def _is_division(node: ast.expr) -> bool:
    return isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.In)


def _filled(node: ast.expr, row: Rows) -> str:
    """A boolean expression with the row's numbers in place of its operands."""
    match node:
        case ast.Compare():
            comparisons = pairs(node)
            failing = next((pair for pair in comparisons if not row.pair(*pair)[0]), None)
            return " and ".join(_filled_pair(*pair, row) for pair in ([failing] if failing else comparisons))
        case ast.BoolOp(op=joint, values=parts):
            is_or = isinstance(joint, ast.Or)
            deciding = next((part for part in parts if bool(row.truth(part)[0]) is is_or), None)
            chosen = parts if deciding is None else [deciding]
            return (" or " if is_or else " and ").join(_filled(part, row) for part in chosen)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"not ({_filled(operand, row)})"
        case _:
            return f"{source(node)} is {shown(row.evaluate(node)[0])}"


def _filled_pair(operator: ast.cmpop, left: ast.expr, right: ast.expr, row: Rows) -> str:
    word = "divides" if isinstance(operator, ast.In) else COMPARISONS[type(operator)][0]
    return f"{shown(row.evaluate(left)[0])} {word} {shown(row.evaluate(right)[0])}"
