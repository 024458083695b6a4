"""Expressions over named values: Python's parser reads, a whitelist checks, numpy columns are walked.

Nothing is ever compiled or executed. One row of a column is one case (one configuration, one line of
output), so a single one and a whole product have one meaning. Knows nothing of which values are
allowed, or of what an expression is for: a `Dialect` says what it may use and how messages call it.

Arithmetic is numbers, names, + - * / // %, min, max and parentheses. Rules have 'words', true and false,
== != < <= > >= (chained or not), `X divides Y`, and, or, not besides. `and`, `or` and chains look at their
right side only where the left one leaves it open, as Python does, so that `x != 0 and 12 / x > 3`
is legal. Whole numbers beyond 2^53 are refused: within them integers, floats, Python and numpy agree.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]


class ExpressionError(Exception):
    """An expression that cannot be read or worked out.

    Args:
        message: The mistake, in one line.
        hint: The fix, in one line.
        text: The expression.
    """

    def __init__(self, message: str, hint: str, text: str) -> None:
        super().__init__(message, hint, text)
        self.message, self.hint, self.text = message, hint, text


_MAX_LENGTH = 1000
_MAX_DEPTH = 250
"""Nodes within nodes. Walking takes three calls each, and Python allows 1,000."""
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
ARITHMETIC: tuple[type[ast.AST], ...] = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call,
    ast.UnaryOp, ast.UAdd, ast.USub, ast.BinOp, *_ARITHMETIC,
)  # fmt: skip
"""The nodes of arithmetic."""
RULES: tuple[type[ast.AST], ...] = (
    *ARITHMETIC, ast.Compare, ast.In, *COMPARISONS, ast.BoolOp, ast.And, ast.Or, ast.Not,
)  # fmt: skip
"""The nodes of what is true or false."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What expressions of one use may say, and how messages speak of them.

    Attributes:
        noun: What messages call one; its plural takes an s.
        allowed: Nodes of Python's syntax tree that it may have: ``ARITHMETIC`` or ``RULES``.
        has_paths: Whether dotted names are names (`metrics.rmse`), and what is in quotes too (`'eval/rmse'`);
            else quotes are for words.
        grammar: The fix for what cannot be read.
        compared: The fix for a number where true or false is needed, and for words where numbers are.
        excluded: The fix for values that arithmetic cannot work with.
    """

    noun: str
    allowed: tuple[type[ast.AST], ...]
    has_paths: bool = False
    grammar: str
    compared: str
    excluded: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The interpreter: an expression's text and dialect (for its errors), its columns, their length."""

    text: str
    dialect: Dialect
    columns: dict[str, Column]
    num: int

    def only(self, rows: Column) -> Rows:
        """Returns the column for the given rows alone."""
        return Rows(
            self.text, self.dialect, {name: column[rows] for name, column in self.columns.items()}, len(rows)
        )

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
            raise ExpressionError(
                f"in the {self.dialect.noun} {self.text!r}, {source(node)} is a {kind_of(values)} "
                f"where a {kind} is needed.",
                self.dialect.compared if kind == "boolean" else self.dialect.grammar,
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

    def _failed(self, what: str, where: Column) -> ExpressionError:
        row = int(np.flatnonzero(where)[0])
        point = ", ".join(f"{name}={shown(column[row])}" for name, column in self.columns.items())
        message = f"the {self.dialect.noun} {self.text!r} {what} at {point}."
        return ExpressionError(message, self.dialect.excluded, self.text)

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
            raise ExpressionError(
                f"the {self.dialect.noun} {self.text!r} compares "
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
def read(text: str, dialect: Dialect) -> ast.expr:
    """The syntax tree of an expression, checked against its dialect; `divides` appears as `in`.

    Every name is an `ast.Name`, a dotted or quoted one too.

    Raises:
        ExpressionError: It cannot be read, or uses what its dialect may not.
    """
    noun = dialect.noun
    if len(text) > _MAX_LENGTH:
        message = f"the {noun} {text[:40]!r}... is longer than {_MAX_LENGTH} characters."
        raise ExpressionError(message, "split it up.", text)
    foreign = [word for word in _WORDS.findall(text) if word in ("in", "is")]
    if foreign:
        message = f"the {noun} {text!r} uses {foreign[0]!r}, which {noun}s may not."
        raise ExpressionError(message, dialect.grammar, text)
    spelt = _WORDS.sub(lambda match: "in" if match[0] == "divides" else match[0], text)
    try:
        tree = ast.parse(spelt, mode="eval")
        if dialect.has_paths:
            tree = _Paths().visit(tree)
        forbidden = next(filter(None, (_forbidden(node, dialect) for node in ast.walk(tree))), "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A lone = is the commonest slip; every other one gets the grammar.
        slip = ast.Eq in dialect.allowed and re.search(r"(?<![<>=!])=(?!=)", text)
        hint = "compare by ==, not by =." if slip else dialect.grammar
        raise ExpressionError(f"cannot read the {noun} {text!r}.", hint, text) from None
    if forbidden:
        message = f"the {noun} {text!r} uses {forbidden}, which {noun}s may not."
        raise ExpressionError(message, dialect.grammar, text)
    if _depth(tree) > _MAX_DEPTH:
        message = f"the {noun} {text[:40]!r}... is nested too deeply: more than {_MAX_DEPTH} levels."
        raise ExpressionError(message, "split it up.", text)
    return tree.body


def _depth(tree: ast.AST) -> int:
    """Levels of nodes within nodes, counted without recursion."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


class _Paths(ast.NodeTransformer):
    """Makes one name of a dotted one, and of one in quotes."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        parts, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            parts, inner = [inner.attr, *parts], inner.value
        if not isinstance(inner, ast.Name):
            return node
        return ast.copy_location(ast.Name(".".join([inner.id, *parts]), ast.Load()), node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, str):
            return node
        return ast.copy_location(ast.Name(node.value, ast.Load()), node)


def _forbidden(node: ast.AST, dialect: Dialect) -> str:
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
    return "" if isinstance(node, dialect.allowed) else _SPELLINGS.get(name, f"{name} expressions")


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
    """An expression as its author spells it."""
    return ast.unparse(node).replace(" in ", " divides ")


def shown(value: Any) -> str:
    """A value of a column as its author would write it."""
    plain = value.item() if isinstance(value, np.generic) else value
    return f"{plain:.6g}" if isinstance(plain, float) else repr(plain)
