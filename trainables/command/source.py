"""The files that a script's figures depend on, as far as its command line and configuration show them.

Reads folders, and of files only the configuration. Does not know what a run is, only how its folder looks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from config_patch import included_by

MAX_FOUND = 2000
"""Most Python files, or folders, below a folder; if it has more, only the files in it are named."""

MAX_WHOLE = 64 * 2**20
"""Largest file, in bytes, of which all content is hashed."""
PART = 2**20
"""Bytes at either end of a larger file that are."""

_SCRIPTS = (".py", ".sh")
_NOT_SOURCE = ("__pycache__", "site-packages", "wandb", "mlruns", "lightning_logs")
_MARKS = ("pyvenv.cfg", "conda-meta", "journal.jsonl")
"""Names by which to recognise the folder of a virtual environment, a conda environment or a run."""


def source_files(options: Mapping[str, Any]) -> list[Path]:
    """Returns the files that the commands name, ``config`` and what it includes, and scripts' Python files.

    Those are all Python files below a script's folder.

    Hidden folders, environments, the ``logs`` folder and the folders of runs are left out.
    """
    config, logs = (options.get(name) or "" for name in ("config", "logs"))
    commands = [options.get(name) or () for name in ("command", "evaluate", "evaluate_start")]
    words = [word for command in commands for word in command if isinstance(word, str)]
    named = [Path(part) for part in (*_paths(words), str(config)) if os.path.isfile(part)]
    folders = {path.parent for path in named if path.suffix in _SCRIPTS} | set(_packages(words))
    found = set(named)
    if config and os.path.isfile(config):
        found.update(included_by(Path(config)))
    for folder in folders:
        found.update(_python_files(folder, skipped=os.path.abspath(logs) if logs else ""))
    return sorted(found)


def config_hash(path: Path) -> str:
    """Returns the SHA-256 of a configuration file, with what it includes."""
    included = [text.encode() for text in included_by(path).values()]
    return hashlib.sha256(b"".join([path.read_bytes(), *included])).hexdigest()


def content_hash(path: Path) -> str:
    """The SHA-256 of a file, or of all files in a folder with their names; of nothing if there is none.

    Of a file above `MAX_WHOLE` bytes its size, and its first and last `PART` bytes count.
    """
    files = sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        content = _bytes_of(file)
        digest.update(f"{file.relative_to(path)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _bytes_of(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size <= MAX_WHOLE:
            return file.read_bytes()
        with file.open("rb") as opened:
            first = opened.read(PART)
            opened.seek(-PART, os.SEEK_END)
            return b"%d" % size + first + opened.read()
    except OSError:
        return b""


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
