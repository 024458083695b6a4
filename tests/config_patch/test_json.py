"""Whatever Python's json reads can be patched; nothing but the values changes."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import config_patch
from config_patch import ConfigPatchError, MissingKeyError


def patch(text, values, **options):
    return config_patch.patch(text, values, Path("ds_config.JSON"), **options)


def test_numbers_tabs_and_layout_stay_as_they_are():
    text = '{\n\t"micro": 3,\t"lr": 1e-5, "bucket": 5e8,\r\n\t"big": 1E400, "none": NaN, "l": [{"x":0}]\n}'
    after, changes = patch(text, {"micro": 6, "l.0.x": 0.5})
    assert after == text.replace("3", "6").replace('"x":0', '"x":0.5')
    assert [(change.key, change.before, change.after) for change in changes] == [
        ("micro", "3", "6"),
        ("l.0.x", "0", "0.5"),
    ]
    assert patch(after, {"micro": 6}) == (after, [])


def test_what_yaml_dislikes_is_no_hindrance():
    rest = '"\\/ \\ud83d\\ude00 \\ud800": "\x7f\x85\u2028", "%s": %s' % ("k" * 5000, "[" * 400 + "]" * 400)  # noqa: UP031
    for text in (
        f'\ufeff {{{rest}, "a": 1}} \n',
        f'[{{{rest}, "a": 1}}]',
        f'{{"b":{{"a":1}},"c":{{{rest}}}}}',
    ):
        key = "0.a" if text[0] == "[" else "b.a" if '"b"' in text else "a"
        after, _ = patch(text, {key: "x\n"})
        assert after == text.replace('"a": 1', '"a": "x\\n"').replace('"a":1', '"a":"x\\n"')


def test_a_key_that_is_not_there_is_refused_or_created():
    text = '{\n  "a": 1,\n  "b": {},\n  "c": [{"d": 1}]\n}\n'
    values = {"b.x": 2, "c.0.e": 3, "new.deep": "x"}
    with pytest.raises(MissingKeyError, match=r"ds_config\.JSON: there is no key 'b\.x' in it"):
        patch(text, values)
    after, changes = patch(text, values, can_create=True)
    assert after == (
        '{\n  "a": 1,\n  "b": {"x": 2},\n  "c": [{"d": 1, "e": 3}],\n  "new": {"deep": "x"}\n}\n'
    )
    assert [change.before for change in changes] == [None] * 3
    with pytest.raises(
        ConfigPatchError, match=r":2: a\.x cannot be added: what stands here is not an object"
    ):
        patch(text, {"a.x": 1}, can_create=True)


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ('{\n"a": 1, // no\n}', "a", r"ds_config\.JSON:2: it is not JSON: .*column 9"),
        ("", "a", "it is not JSON"),
        ("a: 1", "a", "it is not JSON"),
        ("1", "a", "it has no keys"),
        ('{"a": {"b": 1}}', "a", "a is not a single value"),
        ('{"a": {"b": 1},\n "a": {"c": 1}}', "a.b", r":1: the key a is repeated"),
        ('{"a.b": 1, "a": {"b": 1}}', "a.b", "names several values"),
        ('{"a": [1]}', "a.1", "there is no key 'a.1'"),
        ('{"a": ' + "[" * 9000 + "]" * 9000 + "}", "a", "nested too deeply"),
    ],
)
def test_what_cannot_be_patched_safely_is_one_message(text, key, message):
    with pytest.raises(ConfigPatchError, match=message):
        patch(text, {key: 5})


def test_a_key_that_is_repeated_elsewhere_is_no_hindrance():
    assert patch('{"x": {"y": 1, "y": 2}, "a": 1}', {"a": 5})[0] == '{"x": {"y": 1, "y": 2}, "a": 5}'


TEXTS = st.text("ab1. \t\n\r\"\\/{}[]:,#'\x7f\x85\u2028\xa0é\ufeff😀", max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def places(value, above=()):
    """The path to every value below, and the value."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*above, name), inner
        if isinstance(inner, dict | list):
            yield from places(inner, (*above, name))


@settings(max_examples=60)
@given(st.dictionaries(TEXTS, TREES, min_size=1, max_size=4), SCALARS, st.data())
def test_any_object_is_patched_at_any_key_and_nowhere_else(tree, value, data):
    text = json.dumps(
        tree,
        indent=data.draw(st.sampled_from([None, 1, "\t"])),
        ensure_ascii=data.draw(st.booleans()),
        separators=data.draw(st.sampled_from([None, (",", ":")])),
    )
    found = [(".".join(map(str, path)), path, inner) for path, inner in places(tree)]
    keys = [key for key, _, _ in found]
    single = [(key, path) for key, path, inner in found if not isinstance(inner, dict | list)]
    unique = [(key, path) for key, path in single if keys.count(key) == 1]
    assume(unique)
    key, path = data.draw(st.sampled_from(unique))
    after, changes = patch(text, {key: value})
    expected = json.loads(text)
    node = expected
    for name in path[:-1]:
        node = node[name]
    has_it = type(node[path[-1]]) is type(value) and node[path[-1]] == value
    node[path[-1]] = value
    assert json.dumps(json.loads(after)) == json.dumps(expected)
    assert (after == text and not changes) if has_it else len(changes) == 1
