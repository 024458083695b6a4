"""A patched YAML differs in its values only: comments, order and layout are the user's."""

import difflib
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tuner.commands.yaml_patch import patch
from tuner.errors import TunerError

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


def changed_lines(before, after):
    diff = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line[2:] for line in diff if line.startswith("+ ")]


def test_only_the_values_change_and_all_else_stays_to_the_character():
    after, changes = patch(TEXT, {"stages.consistency_distill.batch_size": 12, "list.1.b": 8}, "a.yaml")
    assert changed_lines(TEXT, after) == ["    batch_size:   12      # was 4", "-   b:  8"]
    assert [(c.key, c.before, c.after) for c in changes] == [
        ("stages.consistency_distill.batch_size", "6", "12"),
        ("list.1.b", "7", "8"),
    ]


def test_inside_braces_a_value_is_exchanged_too():
    after, _ = patch(TEXT, {"stages.other.a": 10}, "a.yaml")
    assert changed_lines(TEXT, after) == ["  other: {a: 10,b: [1,2], c: 'q'}"]


def test_an_empty_value_is_filled():
    after, changes = patch(TEXT, {"training.accum_steps": 2}, "a.yaml")
    assert yaml.safe_load(after)["training"]["accum_steps"] == 2
    assert changes[0].before == "null"


def test_the_same_value_changes_nothing():
    assert patch(TEXT, {"training.distill_micro_batch": 3}, "a.yaml") == (TEXT, [])


def test_text_stays_text_and_truth_stays_truth():
    after, _ = patch("a: 1\nb: 2\nc: 3\n", {"a": "yes", "b": True, "c": 0.5}, "a.yaml")
    assert yaml.safe_load(after) == {"a": "yes", "b": True, "c": 0.5}


def test_windows_line_ends_and_json_survive():
    after, _ = patch("a: 1\r\nb: 2 # c\r\n", {"b": 3}, "a.yaml")
    assert after == "a: 1\r\nb: 3 # c\r\n"
    after, _ = patch('{"a": {"b": 1}, "c": [1]}', {"a.b": 2}, "a.json")
    assert json.loads(after) == {"a": {"b": 2}, "c": [1]}


def test_a_key_that_is_not_there_is_refused_or_created():
    with pytest.raises(TunerError, match=r"a\.yaml: there is no key 'training\.distill_num_taus'.*--create"):
        patch(TEXT, {"training.distill_num_taus": 4}, "a.yaml")
    after, changes = patch(
        TEXT, {"training.distill_num_taus": 4, "new.deep.key": 1}, "a.yaml", can_create=True
    )
    values = yaml.safe_load(after)
    assert values["training"]["distill_num_taus"] == 4
    assert values["new"] == {"deep": {"key": 1}}
    assert [change.before for change in changes] == [None, None]
    for comment in ("# the pipeline", "# the slow one", "# was 4", "# chunk"):
        assert comment in after


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("a: [1\n", "a", r"a\.yaml:2: cannot read the YAML"),
        ("- 1\n", "a", "holds no keys and values"),
        ("", "a", "holds no keys and values"),
        ("a: {b: 1}\n", "a", "a is not a single value"),
        ("a: 1\n", "a.b", "a holds no key 'b'"),
        ("x: &n 1\ny: *n\n", "x", "anchor"),
        ("x: &n 1\ny: *n\n", "y", "anchor"),
        ("x: !!int 1\n", "x", "a tag"),
        ("a: 1\n---\nb: 2\n", "a", "cannot read the YAML"),
        ("a: 1\na: 2\n", "a", "."),
    ],
)
def test_what_cannot_be_patched_safely_is_one_message(text, key, message):
    with pytest.raises(TunerError, match=message):
        patch(text, {key: 5}, "a.yaml")


def test_values_that_others_inherit_are_left_alone():
    text = "base: &b {n: 1}\nuse:\n  <<: *b\n"
    with pytest.raises(TunerError, match="would change others"):
        patch(text, {"base.n": 2}, "a.yaml")


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.integers(0, 99), min_size=1, max_size=6),
    st.integers(0, 10**6),
)
def test_any_flat_mapping_is_patched_to_what_was_asked(values, number):
    text = yaml.safe_dump(values, sort_keys=False)
    key = next(iter(values))
    after, _ = patch(text, {key: number}, "a.yaml")
    assert yaml.safe_load(after) == values | {key: number}
