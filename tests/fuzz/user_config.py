"""A script's own configuration: it is refused by one message with a fix, or patched so that it reads back."""

from __future__ import annotations

import json
from pathlib import Path, PurePath

from config_patch import ConfigPatchError, patch
from tests.fuzz.properties import PIECES, check_message, no_hang

_EXAMPLES = Path(__file__).parent.parent.parent / "docs/examples/pipeline"
_VALUES = {"training.batch_size": 24, "training.lr": 1e-5, "name": "a: b", "list.1.x": True}
_SUFFIXES = (".yaml", ".json", ".toml")

_JSON = json.dumps({"training": {"batch_size": 6, "lr": 0.1}, "name": "x", "list": [{"x": 1}, {"x": False}]})
_TOML = """name = "x"
list = [{x = 1}, {x = false}]
[training]
batch_size = 6
lr = 1e-3 # comment
[a."b.c"]
d = 1979-05-27
"""
_YAML = (
    "training: &t\n  batch_size: 6 # comment\n  lr: 1e-3\nname: 'x'\nlist:\n- x: 1\n- {x: no}\nother: *t\n"
)

SEEDS = [
    *(b"\0" + path.read_bytes() for path in sorted(_EXAMPLES.glob("*.yaml"))),
    b"\0" + _YAML.encode(),
    b"\1" + _JSON.encode(),
    b"\2" + _TOML.encode(),
]
"""The first byte says which format the rest is read as."""

WORDS = [
    *(
        *PIECES,
        b"[[a]]\n",
        b"[a.b]\n",
        b" = ",
        b"&a ",
        b"*a",
        b"<<: *a\n",
        b"!!x ",
        b"|\n  a\n",
        b">-\n",
        b"---\n",
    ),
    *b"0x1f 1_0 1:30 2001-01-01 2001-13-41 ~ # . \\ training batch_size lr name list x".split(),
    *(b'"""', b"'''", b"\\u0000", b"\\ud800", b"%YAML 1.1\n---\n"),
]


def check(data: bytes) -> None:
    """Patches four keys of a file, of which it may lack some, and patches the outcome again."""
    suffix = _SUFFIXES[data[0] % len(_SUFFIXES)] if data else ".yaml"
    try:
        text = data[1:].decode()
    except UnicodeDecodeError:
        return  # the callers' mistake to tell: they read the file
    file = PurePath(f"config{suffix}")
    for can_create in (False, True):
        with no_hang():
            try:
                patched, _ = patch(text, _VALUES, file, can_create=can_create)
                again, changes = patch(patched, _VALUES, file)
            except ConfigPatchError as error:
                check_message(error.message, error.hint)
            else:
                assert (again, changes) == (patched, []), patched
