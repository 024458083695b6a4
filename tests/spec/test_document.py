"""YAML as this project reads and writes it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import SpecError
from tuner.spec.document import read_document, write_yaml


def read(text: str):
    return read_document(text.encode(), "a.yaml").value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-2.", -2.0),
        ("010", 10),
        ("+7", 7),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("True", True),
        ("~", None),
        ("", None),
        ("'6'", "6"),
        ("!!str 6", "6"),
        ("-.inf", float("-inf")),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = read(f"x: {text}")["x"]
    assert (found, type(found)) == (value, type(value))


def test_keys_and_items_remember_their_lines():
    document = read_document(b"a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "a.yaml")
    assert document.value == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}
    lines = {path: line for path, (line, _) in document.positions.items()}
    assert lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
        ("b", 1, "d"): 5,
    }
    assert document.position(("b", 1, "nothing", "there")) == (4, 5)


def test_a_byte_order_mark_and_windows_line_ends_are_read():
    assert read_document(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "a.yaml").value == {"a": 1, "b": 2}


def test_an_alias_stands_for_its_anchor():
    assert read("a: &x {b: 1}\nc: *x\n") == {"a": {"b": 1}, "c": {"b": 1}}


def test_aliases_cannot_exhaust_memory():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for k in range(9):
        refers = ", ".join([f"*a{k}"] * 10)
        lines.append(f"a{k + 1}: &a{k + 1} [{refers}]")
    with pytest.raises(SpecError, match="its aliases expand without end"):
        read("\n".join(lines))


SCALARS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.text(st.sampled_from("abeE01.+-:#,&*!|>%@`~'\"\\[]{} \n\té漢"), max_size=12),
    st.sampled_from(["1e-4", "yes", "null", "1_0", "0o7", "~", "- x", "a: b", "2026-01-01", "#"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["x", "y", "z"]), VALUES, max_size=3))
def test_what_is_written_is_read_back_the_same(values):
    assert repr(read(write_yaml(values))) == repr(values)
