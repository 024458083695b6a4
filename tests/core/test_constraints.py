"""Rules: what they may say, what they mean, and what they say when broken."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuner.core.constraints import Rule
from tuner.errors import SpecError

NAMES = ["batch_size", "micro_batch", "num_taus", "accum_steps", "precision", "compile"]
POINT = {
    "batch_size": 12,
    "micro_batch": 5,
    "num_taus": 4,
    "accum_steps": 8,
    "precision": "bf16",
    "compile": False,
}
GRAMMAR = "use + - * / // %, comparisons, `X divides Y`, and, or, not, min, max and parentheses."


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("batch_size * accum_steps <= 96", True),
        ("4 divides batch_size", True),
        ("micro_batch divides batch_size * 5", True),
        ("batch_size - 2 divides accum_steps * micro_batch", True),
        ("2 divides num_taus divides batch_size", True),
        ("not micro_batch divides batch_size", True),
        ("micro_batch divides batch_size or num_taus divides batch_size", True),
        ("2 <= num_taus < micro_batch <= 5", True),
        ("min(batch_size, accum_steps, 9) == 8 and max(num_taus, 2.5) == 4", True),
        ("batch_size // micro_batch == 2 and batch_size % micro_batch == 2", True),
        ("batch_size / micro_batch == 2.4", True),
        ("precision == 'bf16' and not compile", True),
        ('precision != "fp32"', True),
        ("compile == false", True),
        ("batch_size > 12 and 12 / (batch_size - 12) > 1", False),
        ("-batch_size < +num_taus", True),
        ("0 divides batch_size", False),
        ("precision == 'it divides in two'", False),
    ],
)
def test_rules_mean_what_they_say(text, holds):
    rule = Rule.parse(text, NAMES)
    assert rule.holds(POINT) is holds
    columns = {name: np.array([value, value]) for name, value in POINT.items()}
    assert rule.mask(columns).tolist() == [holds, holds]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("batch_size * accum_steps <= 48", "96 <= 48"),
        ("micro_batch divides batch_size", "5 does not divide 12"),
        ("micro_batch <= 8 and micro_batch divides batch_size", "5 does not divide 12"),
        ("2 < num_taus < batch_size < micro_batch * 2", "12 < 10"),
        ("num_taus > 4 or micro_batch divides 4", "4 > 4 or 5 divides 4"),
        ("not (batch_size > 6 and num_taus < 5)", "not (12 > 6 and 4 < 5)"),
        ("batch_size / 5 < 1", "2.4 < 1"),
        ("precision != 'bf16'", "'bf16' != 'bf16'"),
        ("compile", "compile is False"),
        ("(batch_size < 20) == compile", "True == False"),
    ],
)
def test_a_broken_rule_is_explained_with_its_numbers(text, why):
    assert Rule.parse(text, NAMES).why(POINT) == f"{text} does not hold: {why}"


def test_a_rule_that_holds_says_so():
    assert Rule.parse("batch_size > 6", NAMES).why(POINT) == "batch_size > 6 holds"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "batchsize <= 48",
            "the constraint 'batchsize <= 48' names 'batchsize', which is not a parameter. Fix: did "
            "you mean 'batch_size'? The parameters are batch_size, micro_batch, num_taus, "
            "accum_steps, precision, compile.",
        ),
        (
            "batch_size * 2",
            "the constraint 'batch_size * 2' is neither true nor false. "
            "Fix: compare it with something, such as `batch_size * accum_steps <= 48`.",
        ),
        (
            "batch_size = 12",
            "cannot read the constraint 'batch_size = 12'. Fix: compare by ==, not by =.",
        ),
        ("batch_size <", f"cannot read the constraint 'batch_size <'. Fix: {GRAMMAR}"),
        (
            "__import__('os').system('id') == 0",
            "the constraint \"__import__('os').system('id') == 0\" uses a call of "
            f"__import__('os').system, which constraints may not. Fix: {GRAMMAR}",
        ),
    ],
)
def test_what_rules_may_not_say_is_refused_with_a_fix(text, message):
    with pytest.raises(SpecError) as raised:
        Rule.parse(text, NAMES)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("batch_size not divides 3", "uses `not divides` instead of `not (X divides Y)`, which"),
        ("batch_size ** 2 < 9", "uses **, which"),
        ("batch_size.real < 9", "uses a dot, which"),
        ("batch_size & 1 == 0", "uses &, which"),
        ("(lambda: 1) == batch_size", "uses lambda, which"),
        ("batch_size[0] > 1", "uses [ ], which"),
        ("[batch_size] > 1", "uses List expressions, which"),
        ("(batch_size if 1 else 2) > 1", "uses if, which"),
        ("(x := batch_size) > 1", "uses NamedExpr expressions, which"),
        ("[x for x in batch_size] > 1", "uses 'in', which"),
        ("f'{batch_size}' == '3'", "uses JoinedStr expressions, which"),
        ("batch_size in (4, 6)", "uses 'in', which"),
        ("batch_size is 4", "uses 'is', which"),
        ("min(batch_size) > 1", "uses min or max of anything but two or more values, which"),
        ("min(*batch_size, 2) > 1", "uses Starred expressions, which"),
        ("min(2, 3, key=batch_size) > 1", "uses min or max of anything but two or more values"),
        ("abs(batch_size) > 1", "uses a call of abs, which"),
        ("batch_size > 3j", "uses the value 3j, which"),
        ("batch_size > 99999999999999999999", "uses a number beyond 2^53, which"),
        ("min > 3", "names 'min', which is not a parameter"),
        ("1 < 2", "names no parameter"),
        ("true", "names no parameter"),
        ("True", "names no parameter"),
        ("-batch_size", "is neither true nor false"),
        ("'bf16'", "is neither true nor false"),
        ("  ", "a constraint is empty."),
        ("batch_size > " + "9" * 1000, "is longer than 1000 characters"),
        ("(" * 300 + "batch_size" + ")" * 300 + " > 1", "cannot read the constraint"),
        ("1+" * 480 + "1 > 0", "nested too deeply: more than 250 levels"),
        ("-" * 900 + "1 > 0", "nested too deeply: more than 250 levels"),
        ("batch_size > 1\0", "cannot read the constraint"),
    ],
)
def test_everything_outside_the_grammar_is_refused(text, fragment):
    with pytest.raises(SpecError) as raised:
        Rule.parse(text, NAMES)
    assert fragment in str(raised.value)


def test_deep_but_legal_nesting_is_read():
    assert Rule.parse("not " * 246 + "compile", NAMES).holds(POINT) is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12 / (batch_size - 12) > 1", "divides by zero at batch_size=12"),
        ("12 % (num_taus - 4) > 1", "divides by zero at num_taus=4"),
        ("12 // (num_taus - 4.0) > 1", "divides by zero at num_taus=4"),
        ("micro_batch / 2 divides batch_size", "what divides a number that is not whole"),
        ("precision < 'c'", "compares a word with a word: precision < 'c'"),
        ("precision == 16", "compares a word with a number: precision == 16"),
        ("compile > 0", "compares a boolean with a number: compile > 0"),
        ("batch_size and compile", "batch_size is a number where a boolean is needed"),
        ("batch_size", "batch_size is a number where a boolean is needed"),
        ("precision * 2 > 3", "precision is a word where a number is needed"),
        ("compile + 1 > 1", "compile is a boolean where a number is needed"),
        ("batch_size * 9007199254740992 > 1", "leaves the numbers up to 2\\^53 at batch_size=12"),
    ],
)
def test_what_cannot_be_worked_out_is_an_error_not_an_answer(text, message):
    rule = Rule.parse(text, NAMES)
    with pytest.raises(SpecError, match=message):
        rule.holds(POINT)
    with pytest.raises(SpecError, match=message):
        rule.mask({name: np.array([value]) for name, value in POINT.items()})


def test_a_missing_or_unusable_value_is_told():
    rule = Rule.parse("batch_size > 1", NAMES)
    with pytest.raises(SpecError, match="needs a value of batch_size"):
        rule.holds({"micro_batch": 3})
    with pytest.raises(SpecError, match="cannot work with the values of batch_size"):
        rule.holds({"batch_size": 2**60})
    with pytest.raises(SpecError, match="cannot work with the values of batch_size"):
        rule.mask({"batch_size": np.array([None, 1], dtype=object)})


def test_names_come_in_order_of_appearance_and_text_is_evened_out():
    rule = Rule.parse("max(num_taus,\n  2)  <= batch_size", NAMES)
    assert rule.names == ("num_taus", "batch_size")
    assert rule.text == "max(num_taus, 2) <= batch_size"
    assert pickle.loads(pickle.dumps(rule)) == rule  # noqa: S301  # our own bytes


def test_errors_survive_pickling():
    with pytest.raises(SpecError) as raised:
        Rule.parse("batch_size =", NAMES)
    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301  # our own bytes
    assert (str(again), again.text) == (str(raised.value), "batch_size =")


def test_nothing_is_evaluated_while_a_rule_is_read(tmp_path):
    target = tmp_path / "touched"
    text = f"__import__('pathlib').Path({str(target)!r}).touch() == batch_size"
    with pytest.raises(SpecError):
        Rule.parse(text, NAMES)
    assert not target.exists()


def test_the_core_neither_evaluates_nor_compiles():
    """Audit events of the interpreter itself: `exec` and `compile` to code never happen.

    `ast.parse` raises a `compile` event too (it is `compile` with a flag); its argument is then our
    text, and no `exec` follows, which is what running code would need.
    """
    script = (
        "import sys\n"
        "from tuner.core.constraints import Rule\n"
        "events = []\n"
        "sys.addaudithook(lambda name, args: events.append(name) if name == 'exec' else None)\n"
        "rule = Rule.parse('a % 3 == 0 and min(a, 2) < 3', ['a'])\n"
        "rule.holds({'a': 6}); rule.why({'a': 7})\n"
        "print(events)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- one meaning for scalars, arrays and Python ---------------------------------------------------

_LEAVES = st.sampled_from(["a", "b", "c", "1", "2", "3", "7", "2.5", "0"])


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "/", "//", "%"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"max({t[0]}, {t[1]}, {t[2]})"),
        inner.map(lambda t: f"-{t}"),
    )


NUMBERS = st.recursive(_LEAVES, _numbers, max_leaves=6)
ORDER = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
COMPARISONS = st.one_of(
    st.tuples(NUMBERS, ORDER, NUMBERS).map(" ".join),
    st.tuples(NUMBERS, ORDER, NUMBERS, ORDER, NUMBERS).map(" ".join),
)
TRUTHS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda t: f"(not {t})"),
    ),
    max_leaves=4,
)
VALUES = st.one_of(st.integers(-6, 12), st.sampled_from([0.5, 1.5, -2.25]))


@given(
    text=TRUTHS,
    rows=st.lists(st.tuples(st.integers(-6, 12), VALUES, st.integers(1, 9)), min_size=1, max_size=5),
)
@example(text="(b == 0 or 6 / b > 2)", rows=[(1, 0, 1), (1, 2, 1), (1, 6, 1)])
@example(text="a < b < 1 / c", rows=[(5, 4, 0), (5, 4, 1)])
@example(text="a // b == a - (a % b)", rows=[(-5, 3, 1), (5, -3, 1), (5, -2.25, 1)])
def test_scalar_vector_and_python_agree(text, rows):
    """Python's own eval, here in the test only, is the second implementation."""
    points = [dict(zip("abc", row, strict=True)) for row in rows]
    expected = []
    for point in points:
        try:
            expected.append(bool(eval(text, {"min": min, "max": max}, dict(point))))  # noqa: S307
        except ZeroDivisionError:
            expected.append(None)
    if not re.search(r"\b[abc]\b", text):
        return  # refused: it names no parameter
    rule = Rule.parse(text, "abc")
    for point, truth in zip(points, expected, strict=True):
        if truth is None:
            with pytest.raises(SpecError, match="divides by zero"):
                rule.holds(point)
        else:
            assert rule.holds(point) is truth
            assert ("does not hold" in rule.why(point)) is not truth
    columns = {name: np.array([point[name] for point in points]) for name in "abc"}
    if None in expected:
        with pytest.raises(SpecError, match="divides by zero"):
            rule.mask(columns)
    else:
        assert rule.mask(columns).tolist() == expected
