"""A class's own source: its module, what lies beside it in a package, and what of the project they import."""

import importlib
import json
import sys

import pytest

from foundation.own_source import own_source

FILES = {
    "stage.py": "from lib.a import f\nimport numpy, json\nfrom tuner import errors\nclass Mine: ...",
    "other.py": "",
    "lib/__init__.py": "",
    "lib/a.py": "from . import b\ndef f():\n    from deep.er import late\n    from lib.b import g\n",
    "lib/b.py": "import lib.a, vendored\ndef g(): ...",
    "lib/unused.py": "import other",
    "deep/er/late.py": "import broken",
    "broken.py": "def (",
    "site-packages/vendored.py": "import other",
    "site-packages/wheel/__init__.py": "",
    "site-packages/wheel/stage.py": "from wheel.sub import x\nfrom .y import z\nclass Packed: ...",
    "site-packages/wheel/beside.py": "import other",
    "site-packages/wheel/sub/__init__.py": "x = 1",
    "site-packages/wheel/y.py": "z = 1",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for folder in (tmp_path / "site-packages", tmp_path):
        monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in sys.modules[name].__file__:
            del sys.modules[name]


def found(module, name):
    return own_source(getattr(importlib.import_module(module), name))


def test_imports_are_followed_wherever_they_stand_within_the_project_and_not_into_what_is_installed(project):
    files = found("stage", "Mine")
    expected = ["broken.py", "deep/er/late.py", "lib/__init__.py", "lib/a.py", "lib/b.py", "stage.py"]
    assert sorted(files) == expected
    assert all(files[name] == project / name for name in expected)
    assert "deep" not in sys.modules  # read, not run


def test_an_installed_class_has_its_package_and_what_that_imports_of_itself(project):
    names = ["wheel/__init__.py", "wheel/beside.py", "wheel/stage.py", "wheel/sub/__init__.py", "wheel/y.py"]
    assert sorted(found("wheel.stage", "Packed")) == names


def test_the_modules_of_bases_count_however_they_were_named(project):
    base = importlib.import_module("stage").Mine
    derived = type("Derived", (base, json.JSONDecoder), {"__module__": "lib.b"})
    assert {"stage.py", "lib/b.py", "lib/unused.py"} <= set(own_source(derived))
    assert not [name for name in own_source(derived) if name.startswith(("json", "other"))]


def test_a_class_without_a_file_has_no_source():
    assert own_source(type("Nowhere", (), {"__module__": "no_such_module"})) == {}
