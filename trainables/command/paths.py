"""Paths in options: ``~`` as the home folder, and where a command names its Python script.

Knows words and the home folder. Does not look whether a file is there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from trainables.command.mistakes import are_words, mistake


def at_home(name: str, value: Any) -> Any:
    """Returns a path with ``~`` replaced by the home folder; any other value stays as it is.

    Raises:
        ValueError: There is no such folder.
    """
    if not (isinstance(value, str) and value.startswith("~")):
        return value
    path = os.path.expanduser(value)
    if path.startswith("~"):
        raise mistake(name, value, "write the path without ~: this home folder is not known here")
    return path


def python_script(command: Sequence[str]) -> int | None:
    """Returns the index of the file in a command that begins with ``{python}``; None if it runs no file."""
    if command[:1] != ["{python}"]:
        return None
    words = enumerate(command)
    next(words)
    for index, word in words:
        if not word.startswith("-"):
            return index
        if word == "-" or word.startswith(("-c", "-m")):
            return None
        if word in ("-W", "-X"):
            next(words, None)
    return None


def command_at_home(command: Any) -> Any:
    """Expands ``~`` in a command's program and Python script; other words need not be paths."""
    if not are_words(command):
        return command
    return [
        at_home("command", word) if index in (0, python_script(command)) else word
        for index, word in enumerate(command)
    ]
