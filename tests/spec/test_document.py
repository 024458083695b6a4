"""YAML as this project reads and writes it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import SpecError
from tuner.spec.document import read_document
from tuner.spec.yaml_format import write_yaml


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
        ("0o12", "0o12"),
        ("0x1F", "0x1F"),
        ("1e-3", 0.001),
        ("off", "off"),
        ("no", "no"),
        ("190:20:30", "190:20:30"),
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


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_yaml_directive_changes_no_value(version):
    text = f"%YAML {version}\n---\na: on\nb: 010\nc: 1:30\nd: 1e-3\n"
    assert read(text) == {"a": "on", "b": 10, "c": "1:30", "d": 0.001}


def test_a_merge_key_is_a_key_like_any_other():
    """YAML 1.2 has no merges: a study with one is told of an unknown key."""
    assert read("a: &x {b: 1}\nc: {<<: *x, d: 2}\n")["c"] == {"<<": {"b": 1}, "d": 2}


def test_an_anchor_may_be_given_again():
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n") == {"a": 1, "b": 1, "c": 2, "d": 2}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "a.yaml:4: the key 'c' is given twice, first on line 3."),
        ("a: {b: 1,\n    b: 2}\n", "a.yaml:2: the key 'b' is given twice, first on line 1."),
    ],
)
def test_a_key_given_twice_is_told_with_both_lines(text, told):
    document = read_document(text.encode(), "a.yaml")
    assert document.error(document.mistakes).message == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a, b]]", "a.yaml:1: cannot read the YAML: expected '<document start>', but found ']' (column 7)."),
        (
            "a:\tb",
            "a.yaml:1: cannot read the YAML: found character '\\t' that cannot start any token (column 3).",
        ),
        ("a: *b", "a.yaml:1: cannot read the YAML: found undefined alias 'b' (column 4)."),
        ("%YAML 3.0\n---\na: 1", "a.yaml:1: cannot read the YAML: found incompatible YAML document"),
        ("a: 1\n...\nb: 2\n", "a.yaml:3: cannot read the YAML: but found another document (column 1)."),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(text, told):
    with pytest.raises(SpecError) as raised:
        read(text)
    assert raised.value.message.startswith(told)


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
    st.text(st.sampled_from("abeE01.+-:#,&*!|>%@`~'\"\\[]{} \n\té漢\x85\u2028"), max_size=12),
    st.sampled_from(["1e-4", "yes", "null", "1_0", "0o7", "~", "- x", "a: b", "2026-01-01", "#"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["x", "y", "z", "on", "a b", "1"]), VALUES, max_size=3), st.booleans())
def test_what_is_written_is_read_back_the_same(values, is_block):
    text = write_yaml(values, is_block=is_block)
    assert repr(read(text)) == repr(values)
    assert repr(yaml.safe_load(text)) == repr(values)  # by a reader of YAML 1.1 too


def test_a_long_text_and_a_long_key_stay_in_one_line():
    values = {"a " * 55 + "b": "c " * 80 + "d", "list": ["x" * 20 + f" {k}" for k in range(9)]}
    text = write_yaml(values)
    assert read(text) == values
    first, *others = text.splitlines()
    assert first == "a " * 55 + "b: " + "c " * 80 + "d"
    assert len(others) == 2
    assert max(map(len, others)) < 130


def test_it_is_written_one_entry_a_line_or_the_innermost_in_one():
    values = {"b": [1, 2], "a": {"c": {"on": "off"}, "d": 1e-5}}
    assert write_yaml(values) == "b: [1, 2]\na:\n  c: {'on': 'off'}\n  d: 1.0e-05\n"
    assert write_yaml(values, is_block=True) == "b:\n- 1\n- 2\na:\n  c:\n    'on': 'off'\n  d: 1.0e-05\n"
