"""A patched YAML text differs in its values only: comments, order and layout are the user's."""

import difflib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import config_patch
from config_patch import ConfigPatchError, MissingKeyError

TEXT = """\
# the pipeline
stages:
  consistency_distill:   # the slow one
    batch_size:   6      # was 4
    name: "x"
  other: {a: 1,b: [1,2], c: 'q'}

training:
    distill_micro_batch: 3   # chunk
    accum_steps:
list:
- a
-   b:  7
"""


def patch(text, values, **options):
    return config_patch.patch(text, values, Path("a.yaml"), **options)


def changed_lines(before, after):
    diff = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line[2:] for line in diff if line.startswith("+ ")]


def test_only_the_values_change_and_all_else_stays_to_the_character():
    after, changes = patch(TEXT, {"stages.consistency_distill.batch_size": 12, "list.1.b": 8})
    assert changed_lines(TEXT, after) == ["    batch_size:   12      # was 4", "-   b:  8"]
    assert [(c.key, c.before, c.after) for c in changes] == [
        ("stages.consistency_distill.batch_size", "6", "12"),
        ("list.1.b", "7", "8"),
    ]


def test_inside_braces_a_value_is_exchanged_too():
    after, _ = patch(TEXT, {"stages.other.a": 10})
    assert changed_lines(TEXT, after) == ["  other: {a: 10,b: [1,2], c: 'q'}"]


def test_an_empty_value_is_filled():
    after, changes = patch(TEXT, {"training.accum_steps": 2})
    assert yaml.safe_load(after)["training"]["accum_steps"] == 2
    assert changes[0].before == "null"


def test_the_same_value_changes_nothing():
    assert patch(TEXT, {"training.distill_micro_batch": 3}) == (TEXT, [])


def test_text_stays_text_and_truth_stays_truth():
    after, _ = patch("a: 1\nb: 2\nc: 3\n", {"a": "yes", "b": True, "c": 0.5})
    assert yaml.safe_load(after) == {"a": "yes", "b": True, "c": 0.5}


def test_numbers_are_read_alike_by_yaml_1_1_and_1_2():
    for number in (1e-5, -2.5e-07, 1e20, 0.5, 6):
        after, _ = patch("a: x", {"a": number})
        assert yaml.safe_load(after) == YAML(typ="safe").load(after) == {"a": number}


def test_a_value_that_only_some_readers_find_equal_is_replaced():
    for text, value, new in (
        ("a: 1e-5", 1e-5, "1.0e-05"),  # text to YAML 1.1
        ("a: 0777", 777, "777"),  # 511 to YAML 1.1
        ("a: on", "on", '"on"'),  # true to YAML 1.1
        ("a: true", 1, "1"),
        ("a: 1.0", 1, "1"),
    ):
        assert patch(text, {"a": value})[0] == f"a: {new}"


def test_values_that_yaml_1_1_and_1_2_read_differently_stay_as_they_are_written():
    rest = "walltime: 10:30:00\ncompile: off\nmode: on\nzip: 0777\nnone: ~\nlr: 1e-5\nplus: +1\n"
    assert patch(f"micro: 3\n{rest}", {"micro": 6})[0] == f"micro: 6\n{rest}"
    assert patch(rest, {"micro": 6}, can_create=True)[0] == f"{rest}micro: 6\n"


def test_windows_line_ends_and_a_byte_order_mark_survive():
    text = "\ufeffa: 1\r\nb: 2 # ü\r\nc:\r\n  d: 1\r\n"
    assert patch(text, {"b": 3})[0] == text.replace("2", "3")
    after, _ = patch(text, {"c.e": 4}, can_create=True)
    assert after == f"{text}  e: 4\r\n"


def test_any_style_of_value_is_replaced_and_what_follows_stays():
    for value in ("|\n  x\n  y\n", ">-\n  x\n\n", "x\n  y\n", "'it''s'\n", '"x" # c\n', "- x\n- y\n"):
        key = "a.0" if value.startswith("-") else "a"
        text = f"# before\na:\n{value}# after\nb: 1\n" if key == "a.0" else f"a: {value}# after\nb: 1\n"
        after, (change,) = patch(text, {key: 5})
        assert after == text.replace(change.before, "5")
        assert yaml.safe_load(after)["b"] == 1


def test_a_tag_of_the_users_program_is_no_hindrance():
    text = "model: !Net {width: 8, act: !!python/name:torch.nn.GELU }\n"
    assert patch(text, {"model.width": 16})[0] == text.replace("8", "16")


def test_a_key_may_have_dots_or_be_a_number():
    text = "optimizer.lr: 1\n3: {x.y: 2}\n"
    assert patch(text, {"optimizer.lr": 5, "3.x.y": 6})[0] == "optimizer.lr: 5\n3: {x.y: 6}\n"


def test_a_key_that_is_not_there_is_refused_or_created_last_in_its_section():
    values = {"training.distill_num_taus": 4, "new.deep.key": 1e-5, "stages.other.z": "x", "list.1.k.l": 0}
    with pytest.raises(MissingKeyError, match=r"a\.yaml: there is no key 'training\.distill_num_taus'"):
        patch(TEXT, values)
    after, changes = patch(TEXT, values, can_create=True)
    assert changed_lines(TEXT, after) == [
        "  other: {a: 1,b: [1,2], c: 'q', z: \"x\"}",
        "    distill_num_taus: 4",
        "    k:",
        "      l: 0",
        "new:",
        "  deep:",
        "    key: 1.0e-05",
    ]
    added = yaml.safe_load(after)
    assert added["training"]["distill_num_taus"] == 4
    assert added["list"][1] == {"b": 7, "k": {"l": 0}}
    assert [change.before for change in changes] == [None] * 4


@pytest.mark.parametrize(
    ("text", "key", "after"),
    [
        ("a:   # hi\nb: 1", "a.x", "a:   # hi\n  x: 5\nb: 1"),
        ("a: {}\n", "a.x.y", "a: {x: {y: 5}}\n"),
        ("a: {b: , c: 1}\n", "a.b.x", "a: {b: {x: 5} , c: 1}\n"),
        ("a:\n  b: |\n    text\n\n# c\n", "a.x", "a:\n  b: |\n    text\n  x: 5\n\n# c\n"),
        ("b: &b {n: 1}\na:\n  <<: *b\n", "a.n", "b: &b {n: 1}\na:\n  <<: *b\n  n: 5\n"),
        ("a: 1\n...\n", "on", 'a: 1\n"on": 5\n...\n'),
    ],
)
def test_a_created_key_goes_where_its_mapping_ends(text, key, after):
    assert patch(text, {key: 5}, can_create=True)[0] == after


@pytest.mark.parametrize("key", ["a.x", "l.2", "l.x", "l.0.x"])
def test_a_key_below_what_holds_no_keys_cannot_be_created(key):
    with pytest.raises(ConfigPatchError, match="cannot be added: what stands here is not a mapping"):
        patch("a: 1\nl: [1, 2]\n", {key: 5}, can_create=True)


@pytest.mark.parametrize("keys", [("n.x", "n"), ("n", "n.x")])
@pytest.mark.parametrize(("name", "text"), [("a.yaml", "a: 1\n"), ("a.json", '{"a": 1}')])
def test_of_two_created_keys_neither_may_hold_the_other(keys, name, text):
    with pytest.raises(ConfigPatchError, match=r"n is not a single value|n\.x cannot be added"):
        config_patch.patch(text, dict.fromkeys(keys, 5), Path(name), can_create=True)


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("a: [1\n", "a", r"a\.yaml:2: it is not valid YAML"),
        ("a: \x07\n", "a", r"a\.yaml: it is not valid YAML: special characters"),
        ("a: 1\n---\nb: 2\n", "a", "not valid YAML: expected a single document"),
        ("1\n", "a", "it has no keys"),
        ("", "a", "it has no keys"),
        ("a: {b: 1}\n", "a", "a is not a single value"),
        ("a: 1\n", "a.b", "there is no key 'a.b'"),
        ("a: [1]\n", "a.1", "there is no key 'a.1'"),
        ("a: [1]\n", "a.00", "there is no key 'a.00'"),
        ("a: [1]\n", "a.\u00b2", "there is no key"),
        ("x: &n 1\n", "x", "an anchor or a tag"),
        ("x: !!int 1\n", "x", "an anchor or a tag"),
        ("a: 1\nb: {c: 1, c: 2}\n", "b.c", r"a\.yaml:2: the key c is repeated"),
        ("a.b: 1\na: {b: 1}\n", "a.b", "names several values, in lines 1 and 2"),
        ("a: {x, y: 1}\n", "a.x", "cannot be set to 5 where it stands"),
    ],
)
def test_what_cannot_be_patched_safely_is_one_message(text, key, message):
    with pytest.raises(ConfigPatchError, match=message):
        patch(text, {key: 5})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("train: &loader {batch: 6, micro: 3}\neval: *loader\n", "train.batch"),
        ("train: &loader {batch: 6, micro: 3}\neval: *loader\n", "eval.batch"),
        ("base: &b {n: 1}\nuse:\n  <<: *b\n", "base.n"),
        ("x: &n 1\ny: *n\n", "x"),
        ("x: &n 1\ny: *n\n", "y"),
    ],
)
def test_a_value_that_an_alias_shares_is_refused_even_if_it_is_the_new_one(text, key):
    for value in (6, 5, 1):
        with pytest.raises(ConfigPatchError, match=r"a\.yaml:\d: .* alias \*\w+\. Fix: write the values out"):
            patch(text, {key: value})


def test_an_anchor_beside_the_value_is_no_hindrance():
    text = "a: &a 1\nb: *a\nc: &c [*a, *c]\nd: &d [*a, 2]\ne: &a 3\n"
    assert patch(text, {"d.1": 5})[0] == text.replace("2]", "5]")


TEXTS = st.text("ab1. \n\"\\{}[]:,#&*!|-'\x7f\xa0é😀", max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=30)
@given(st.dictionaries(TEXTS, TREES, max_size=4), st.booleans(), SCALARS)
def test_any_document_is_patched_to_what_was_asked(rest, is_flow, value):
    text = yaml.safe_dump(
        {"patched": {"here": 3}, "rest": rest}, default_flow_style=is_flow, allow_unicode=True, width=20
    )
    after, _ = patch(text, {"patched.here": value})
    before, read = yaml.safe_load(text), yaml.safe_load(after)
    assert read == before | {"patched": {"here": value}}
    assert type(read["patched"]["here"]) is type(value)
