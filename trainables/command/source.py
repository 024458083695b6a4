"""The files that a script's figures depend on, as far as its command line shows them.

Reads folders, never what is in a file. Does not know what a run is, only what its folder looks like.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

MAX_FOUND = 2000
"""Most Python files, or folders, below a folder; if it has more, only the files in it are named."""

_SCRIPTS = (".py", ".sh")
_NOT_SOURCE = ("__pycache__", "site-packages", "wandb", "mlruns", "lightning_logs")
_MARKS = ("pyvenv.cfg", "conda-meta", "journal.jsonl")
"""Names by which to recognise the folder of a virtual environment, a conda environment or a run."""


def source_files(options: Mapping[str, Any]) -> list[Path]:
    """Returns the files that ``command`` names, the ``config`` file, and Python files below scripts' folders.

    Hidden folders, environments, the ``logs`` folder and the folders of runs are left out.
    """
    command, config, logs = (options.get(name) or "" for name in ("command", "config", "logs"))
    words = [word for word in command if isinstance(word, str)]
    named = [Path(part) for part in (*_paths(words), str(config)) if os.path.isfile(part)]
    folders = {path.parent for path in named if path.suffix in _SCRIPTS} | set(_packages(words))
    found = set(named)
    for folder in folders:
        found.update(_python_files(folder, skipped=os.path.abspath(logs) if logs else ""))
    return sorted(found)


def _paths(words: list[str]) -> Iterator[str]:
    """Yields what may be a file's path: ``train.py``, and the end of ``--config=base.yaml``."""
    for word in words:
        yield word
        yield word.partition("=")[2]


def _packages(words: list[str]) -> Iterator[Path]:
    """Yields the folder of a module that Python is to run: ``-m package.module``."""
    for option, module in pairwise(words):
        folder = Path(module.split(".")[0] or ".")
        if option == "-m" and folder.is_dir():
            yield folder


def _python_files(folder: Path, skipped: str) -> list[Path]:
    found: list[Path] = []
    for number, (place, folders, names) in enumerate(os.walk(folder), start=1):
        found += [Path(place, name) for name in names if name.endswith(".py")]
        if max(len(found), number) > MAX_FOUND:
            return list(folder.glob("*.py"))
        folders[:] = [name for name in folders if _is_source(os.path.join(place, name), skipped)]
    return found


def _is_source(folder: str, skipped: str) -> bool:
    name = os.path.basename(folder)
    if name.startswith(".") or name in _NOT_SOURCE or os.path.abspath(folder) == skipped:
        return False
    return not any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS)
