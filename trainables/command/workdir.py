"""Gives a trial's script a folder of its own to run in, with copies of what it would overwrite.

Knows files and the option ``workdir``. Starts nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.command.mistakes import mistake
from trainables.command.options import python_script

NAME = "workdir"
"""The folder's name in that of the trial."""


def check_paths(workdir: Mapping[str, Any]) -> None:
    """Raises ValueError for a file or folder of the option that is not there."""
    for path in _paths(workdir):
        if not Path(path).exists():
            fix = f"correct the path: it is looked for below {Path.cwd()}"
            raise mistake("workdir", path, fix)


def make_workdir(workdir: Mapping[str, Any], folder: Path) -> Path:
    """Makes the folder in which the script runs, with its copies and links.

    Args:
        workdir: The option; relative paths are below the working directory of this process.
        folder: The trial's own.

    Raises:
        ValueError: A file or folder is not there.
    """
    check_paths(workdir)
    made = folder / NAME
    made.mkdir()
    for path in workdir.get("copy", ()):
        target = _place(made, path)
        if os.path.isdir(path):
            shutil.copytree(path, target, ignore_dangling_symlinks=True)
        else:
            shutil.copy2(path, target)
    for path in workdir.get("link", ()):
        _place(made, path).symlink_to(Path(path).absolute())
    return made


def from_workdir(command: Sequence[str], workdir: Path) -> list[str]:
    """Returns a command as it starts in the folder: its program and Python script are still found.

    One that the folder has too, as a copy or a link, is taken from there.

    Args:
        command: Program and arguments, with the name of Python's program already filled in.
        workdir: The folder.
    """
    program = "{python}" if command[0] == sys.executable else command[0]
    indices = {0, python_script([program, *command[1:]])}
    return [
        str(Path(word).absolute())
        if index in indices and os.path.isfile(word) and not (workdir / word).exists()
        else word
        for index, word in enumerate(command)
    ]


def _place(made: Path, path: str) -> Path:
    target = made / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _paths(workdir: Mapping[str, Any]) -> list[str]:
    return [*workdir.get("copy", ()), *workdir.get("link", ())]
