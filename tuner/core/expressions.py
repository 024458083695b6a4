"""Expressions over parameters: Python's parser reads, a whitelist checks, numpy columns are walked.

Nothing is ever compiled or executed. One row of a column is one configuration, so a single
configuration and a whole product have one meaning. Knows nothing of which values are allowed, or
of what a constraint is for.

Grammar: numbers, 'words', true and false, parameter names, + - * / // %, == != < <= > >= (chained
or not), `X divides Y`, and, or, not, min, max, parentheses. `and`, `or` and chains look at their
right side only where the left one leaves it open, as Python does, so that `x != 0 and 12 / x > 3`
is legal. Numbers beyond 2^53 are refused: within them integers, floats, Python and numpy agree.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.errors import SpecError

Column = npt.NDArray[Any]


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


_FIX = "use + - * / // %, comparisons, `X divides Y`, and, or, not, min, max and parentheses."
_MAX_LENGTH = 1000
EXACT = 2**53
TRUTHS = {"true": True, "false": False}
_ARITHMETIC: dict[type[ast.operator], np.ufunc] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
}
COMPARISONS: dict[type[ast.cmpop], tuple[str, np.ufunc]] = {
    ast.Eq: ("==", np.equal),
    ast.NotEq: ("!=", np.not_equal),
    ast.Lt: ("<", np.less),
    ast.LtE: ("<=", np.less_equal),
    ast.Gt: (">", np.greater),
    ast.GtE: (">=", np.greater_equal),
}
_EXTREMES: dict[str, np.ufunc] = {"min": np.minimum, "max": np.maximum}
_ALLOWED = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call, ast.Compare, ast.In, *COMPARISONS,
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.UAdd, ast.USub, ast.BinOp, *_ARITHMETIC,
)  # fmt: skip
_SPELLINGS = {
    "Pow": "**",
    "BitAnd": "&",
    "BitOr": "|",
    "BitXor": "^",
    "Attribute": "a dot",
    "Subscript": "[ ]",
    "IfExp": "if",
    "Lambda": "lambda",
    "NotIn": "`not divides` instead of `not (X divides Y)`",
}
_WORDS = re.compile(r"""'[^']*'|"[^"]*"|\b(?:divides|in|is)\b""")


@dataclass(frozen=True, slots=True)
class Rows:
    """The interpreter: a rule's text (for its errors), the columns it names, their length."""

    text: str
    columns: dict[str, Column]
    num: int

    def only(self, rows: Column) -> Rows:
        """Returns the column for the given rows alone."""
        return Rows(self.text, {name: column[rows] for name, column in self.columns.items()}, len(rows))

    def evaluate(self, node: ast.expr) -> Column:  # noqa: PLR0911  # one return a node type
        """The value of an expression in every row; shape (num,)."""
        match node:
            case ast.Constant(value=value):
                return np.broadcast_to(np.asarray(value), self.num)
            case ast.Name(id=name):
                return self.columns[name] if name in self.columns else np.full(self.num, TRUTHS[name])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ~self.truth(operand)
            case ast.UnaryOp(op=sign, operand=operand):
                return -self.number(operand) if isinstance(sign, ast.USub) else self.number(operand)
            case ast.BinOp(left=left, op=operator, right=right):
                return self._arithmetic(type(operator), self.number(left), self.number(right))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return reduce(_EXTREMES[name], [self.number(argument) for argument in arguments])
            case ast.BoolOp(op=joint, values=parts):
                return self._joined(parts, until=isinstance(joint, ast.Or))
            case ast.Compare():
                return self._chain(node)
            case _:
                raise AssertionError(f"{ast.dump(node)} passed the whitelist")

    def truth(self, node: ast.expr) -> npt.NDArray[np.bool_]:
        """The value of an expression that must be true or false."""
        return self._of_kind("boolean", node)

    def number(self, node: ast.expr) -> Column:
        """The value of an expression that must be a number."""
        return self._of_kind("number", node)

    def _of_kind(self, kind: str, node: ast.expr) -> Column:
        values = self.evaluate(node)
        if kind_of(values) != kind:
            raise RuleError(
                f"in the constraint {self.text!r}, {source(node)} is a {kind_of(values)} "
                f"where a {kind} is needed.",
                "compare it with something, such as `batch_size <= 48`." if kind == "boolean" else _FIX,
                self.text,
            )
        return values

    def _arithmetic(self, operator: type[ast.operator], left: Column, right: Column) -> Column:
        if operator in (ast.Div, ast.FloorDiv, ast.Mod) and np.any(right == 0):
            raise self._failed("divides by zero", right == 0)
        with np.errstate(all="ignore"):
            if operator in (ast.Add, ast.Sub, ast.Mult) and left.dtype.kind == right.dtype.kind == "i":
                too_large = np.abs(_ARITHMETIC[operator](left.astype(float), right.astype(float))) > EXACT
                if np.any(too_large):
                    raise self._failed("leaves the numbers up to 2^53", too_large)
            result: Column = _ARITHMETIC[operator](left, right)
        return result

    def _failed(self, what: str, where: Column) -> RuleError:
        row = int(np.flatnonzero(where)[0])
        point = ", ".join(f"{name}={shown(column[row])}" for name, column in self.columns.items())
        return RuleError(
            f"the constraint {self.text!r} {what} at {point}.",
            "exclude such values first, as in `batch_size > 6 and 12 / (batch_size - 6) <= 4`.",
            self.text,
        )

    def _joined(self, parts: list[ast.expr], *, until: bool) -> Column:
        """Evaluates parts of an `or` (until True) or `and` (until False), each on rows still open."""
        result = np.full(self.num, not until)
        for part in parts:
            rows = np.flatnonzero(result != until)
            result[rows] = self.only(rows).truth(part)
        return result

    def _chain(self, node: ast.Compare) -> Column:
        result = np.ones(self.num, dtype=bool)
        for operator, left, right in pairs(node):
            rows = np.flatnonzero(result)
            result[rows] = self.only(rows).pair(operator, left, right)
        return result

    def pair(self, operator: ast.cmpop, left: ast.expr, right: ast.expr) -> Column:
        """One comparison, or one `left divides right`."""
        if isinstance(operator, ast.In):
            return self._divides(self.number(left), self.number(right))
        first, second = self.evaluate(left), self.evaluate(right)
        kinds = {kind_of(first), kind_of(second)}
        if kinds != {"number"} and (len(kinds) > 1 or not isinstance(operator, ast.Eq | ast.NotEq)):
            raise RuleError(
                f"the constraint {self.text!r} compares "
                f"a {kind_of(first)} with a {kind_of(second)}: "
                f"{source(left)} {COMPARISONS[type(operator)][0]} {source(right)}.",
                "compare numbers with numbers; words only by == and !=, and in quotes, as 'bf16'.",
                self.text,
            )
        result: Column = COMPARISONS[type(operator)][1](first, second)
        return result

    def _divides(self, divisor: Column, number: Column) -> Column:
        """Zero divides zero and nothing else, as in arithmetic."""
        for values in (divisor, number):
            if np.any(values != np.floor(values)):
                raise self._failed("asks what divides a number that is not whole", values != np.floor(values))
        is_zero = divisor == 0
        result: Column = np.where(
            is_zero, number == 0, np.remainder(number, np.where(is_zero, 1, divisor)) == 0
        )
        return result


@lru_cache(maxsize=256)
def read(text: str) -> ast.expr:
    """The syntax tree of a rule, checked against the whitelist; `divides` appears as `in`."""
    if not text:
        raise SpecError("a constraint is empty.", "write one, such as `batch_size * accum_steps <= 48`.")
    if len(text) > _MAX_LENGTH:
        raise RuleError(
            f"the constraint {text[:40]!r}... is longer than {_MAX_LENGTH} characters.",
            "split it up.",
            text,
        )
    foreign = [word for word in _WORDS.findall(text) if word in ("in", "is")]
    if foreign:
        raise RuleError(
            f"the constraint {text!r} uses {foreign[0]!r}, which constraints may not.",
            _FIX,
            text,
        )
    spelt = _WORDS.sub(lambda match: "in" if match[0] == "divides" else match[0], text)
    try:
        tree = ast.parse(spelt, mode="eval")
        _check(tree, text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A lone = is the commonest slip; every other one gets the grammar.
        slip = re.search(r"(?<![<>=!])=(?!=)", text)
        raise RuleError(
            f"cannot read the constraint {text!r}.",
            "compare by ==, not by =." if slip else _FIX,
            text,
        ) from None
    return tree.body


def _check(tree: ast.Expression, text: str) -> None:
    for node in ast.walk(tree):
        forbidden = _forbidden(node)
        if forbidden:
            raise RuleError(
                f"the constraint {text!r} uses {forbidden}, which constraints may not.",
                _FIX,
                text,
            )
    body = tree.body
    is_signed = isinstance(body, ast.UnaryOp) and not isinstance(body.op, ast.Not)
    is_value = isinstance(body, ast.Constant) and not isinstance(body.value, bool)
    if isinstance(body, ast.BinOp | ast.Call) or is_signed or is_value:
        raise RuleError(
            f"the constraint {text!r} is neither true nor false.",
            "compare it with something, such as `batch_size * accum_steps <= 48`.",
            text,
        )


def _forbidden(node: ast.AST) -> str:
    """Says what is wrong with a node by itself; empty if nothing is."""
    if isinstance(node, ast.Call):
        is_extreme = isinstance(node.func, ast.Name) and node.func.id in _EXTREMES
        if not is_extreme:
            return f"a call of {ast.unparse(node.func)}"
        if node.keywords or len(node.args) < 2:
            return "min or max of anything but two or more values"
    if isinstance(node, ast.Constant):
        if not isinstance(node.value, bool | int | float | str):
            return f"the value {node.value!r}"
        if isinstance(node.value, int) and node.value > EXACT:
            return "a number beyond 2^53"
    name = type(node).__name__
    return "" if isinstance(node, _ALLOWED) else _SPELLINGS.get(name, f"{name} expressions")


def names_in(tree: ast.expr) -> list[str]:
    """The names an expression uses as values, in order of appearance."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    return list(dict.fromkeys(node.id for node in sorted(nodes, key=lambda node: node.col_offset)))


def kind_of(values: Column) -> str:
    """Returns the kind of a column's values: booleans, numbers, words, or things that rules cannot use."""
    return {"b": "boolean", "i": "number", "u": "number", "f": "number", "U": "word"}.get(
        values.dtype.kind, "thing"
    )


def pairs(node: ast.Compare) -> list[tuple[ast.cmpop, ast.expr, ast.expr]]:
    """A chain of comparisons one by one: `a < b < c` is `a < b` and `b < c`."""
    operands = [node.left, *node.comparators]
    return list(zip(node.ops, operands, operands[1:], strict=False))


def source(node: ast.expr) -> str:
    """An expression as a rule spells it."""
    return ast.unparse(node).replace(" in ", " divides ")


def shown(value: Any) -> str:
    """A value of a column as a study would write it."""
    plain = value.item() if isinstance(value, np.generic) else value
    return f"{plain:.6g}" if isinstance(plain, float) else repr(plain)
