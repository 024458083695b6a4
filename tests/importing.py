"""Modules that a test writes for itself."""

import sys
from pathlib import Path

import pytest


def make_importable(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> None:
    """Makes modules of `folder` importable until the test ends, and no others of their names."""
    monkeypatch.syspath_prepend(folder)
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)  # so that it is forgotten afterwards
        del sys.modules[name]
