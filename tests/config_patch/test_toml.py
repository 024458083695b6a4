"""A patched TOML text differs in its values only; tomllib reads what was asked, and nothing else."""

import tomllib
from pathlib import Path

import pytest

import config_patch
from config_patch import ConfigPatchError, MissingKeyError

TEXT = """\
# the pipeline
title = "a # b"   # as it is
lr = 1e-5
when = 10:30:00
site."dotted.name".x = 0x1F
multi = \"\"\"
batch = 3
[train]
\"\"\"

[train]
batch = 6      # was 4
sizes = [ 1, 2, # two
  3,
]
opts = {a = 1,b = 'it', c.d = 2}

[train.deep]
x = true

[[stages]]
name = "first"
epochs = 1

[[stages]]
name = 'second'
epochs = 2
  [stages.more]
  y = -1.5

[empty]

[eval]
batch = 6
"""


def patch(text, values, **options):
    return config_patch.patch(text, values, Path("c.toml"), **options)


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("train.batch", 12, "batch = 6      #", "batch = 12      #"),
        ("lr", 0.5, "1e-5", "0.5"),
        ("title", 'x"\n\x7f', '"a # b"', '"x\\"\\n\\u007f"'),
        ("site.dotted.name.x", 5, "0x1F", "5"),
        ("train.sizes.1", 7, " 2, # two", " 7, # two"),
        ("train.opts.b", "on", "'it'", '"on"'),
        ("train.opts.c.d", 3, "c.d = 2", "c.d = 3"),
        ("train.deep.x", False, "true", "false"),
        ("stages.1.epochs", 9, "epochs = 2", "epochs = 9"),
        ("stages.1.more.y", 1e-5, "-1.5", "1e-05"),
        ("when", "10:30", "when = 10:30:00", 'when = "10:30"'),
    ],
)
def test_only_the_value_of_the_key_changes(key, value, old, new):
    after, (change,) = patch(TEXT, {key: value})
    assert TEXT.count(old) == 1
    assert after == TEXT.replace(old, new)
    assert change.key == key


def test_several_keys_at_once_and_windows_line_ends():
    text = TEXT.replace("\n", "\r\n")
    after, changes = patch(text, {"eval.batch": 8, "train.batch": 6, "stages.0.epochs": 3})
    assert after == text.replace("[eval]\r\nbatch = 6", "[eval]\r\nbatch = 8").replace(
        "epochs = 1", "epochs = 3"
    )
    assert [change.key for change in changes] == ["eval.batch", "stages.0.epochs"]


def test_a_missing_key_is_refused_or_added_after_the_last_of_its_section():
    values = {
        "train.micro": 3,
        "train.new.z": 1,
        "empty.x": 2,
        "top": 4,
        "stages.1.k": 5,
        "train.deep.w": "v",
    }
    with pytest.raises(MissingKeyError, match=r"c\.toml: there is no key 'train\.micro'"):
        patch(TEXT, values)
    after, _ = patch(TEXT, values, can_create=True)
    assert after == (
        TEXT.replace("c.d = 2}\n", "c.d = 2}\nmicro = 3\nnew.z = 1\n")
        .replace("[empty]\n", "[empty]\nx = 2\n")
        .replace('[train]\n"""\n', '[train]\n"""\ntop = 4\n')
        .replace("epochs = 2\n", "epochs = 2\nk = 5\n")
        .replace("x = true\n", 'x = true\nw = "v"\n')
    )
    assert patch("[a]\nb = 1\n", {"c": 1}, can_create=True)[0] == "c = 1\n[a]\nb = 1\n"


@pytest.mark.parametrize(
    ("text", "key", "value", "message"),
    [
        ("a = \n", "a", 1, r"c\.toml: it is not TOML: Invalid value \(at line 1"),
        ("a = {b = 1}\n", "a", 1, r"c\.toml:1: a is not a single value"),
        ("[a]\nb = 1\n", "a", 1, r"c\.toml:1: a is not a single value"),
        ("a = 1\n", "a", None, "TOML has no value for nothing"),
        ("a = 1\n", "b", 1, "there is no key 'b'"),
        ("'a.b' = 1\na.b = 2\n", "a.b", 1, "names several values, in lines 1 and 2"),
    ],
)
def test_what_cannot_be_patched_is_one_message(text, key, value, message):
    with pytest.raises(ConfigPatchError, match=message):
        patch(text, {key: value})


def test_a_key_below_a_single_value_cannot_be_added():
    with pytest.raises(ConfigPatchError, match=r"c\.toml:1: a\.b cannot be added"):
        patch("a = 1\n", {"a.b": 1}, can_create=True)


def test_every_single_value_of_the_text_is_found_where_tomllib_reads_it():
    def keys(value, above=()):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            if isinstance(inner, dict | list):
                yield from keys(inner, (*above, str(name)))
            else:
                yield ".".join((*above, str(name)))

    found = list(keys(tomllib.loads(TEXT)))
    assert len(found) == 19
    for key in found:
        after, _ = patch(TEXT, {key: 123456})
        read = tomllib.loads(after)
        assert str(read).count("123456") == 1
        assert len(list(keys(read))) == len(found)
