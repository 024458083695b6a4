"""Checks in advance whether a program can be started: where it is, and what its first line asks for.

Knows PATH and the ``#!`` line, as Linux reads them. Starts nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from trainables.command.paths import python_script
from trainables.command.words import fill, names_in

_HEAD_BYTES = 256
"""Bytes of a file that Linux reads to find out how to start it (man 2 execve)."""
_BOM = b"\xef\xbb\xbf"

Mistake = tuple[str, str]
"""A problem with a program: what is wrong, and the fix."""


def check_program(command: Sequence[str], option: str = "command") -> None:
    """Raises ValueError for a program or a Python script that cannot be started.

    One whose path depends on a trial is not looked at.
    """
    mistake, word = None, command[0]
    if set(names_in(word)) <= {"python"}:
        mistake = _mistake_of(fill(word, {"python": sys.executable}))
    index = python_script(command)
    if index is not None and not names_in(command[index]):
        word = command[index]
        if not Path(fill(word, {})).exists():
            mistake = f"there is no such file below {Path.cwd()}", "correct the path"
    if mistake is not None:
        what, fix = mistake
        raise ValueError(f"stage option {option}={word!r}: {what}. Fix: {fix}.")


def _mistake_of(program: str) -> Mistake | None:
    found = shutil.which(program)
    if found is None:
        return _not_found(program)
    try:
        with open(found, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:  # a program may be executable and not readable
        return None
    if head.startswith(b"#!"):
        return _mistake_of_interpreter(re.split(rb"[\n\0]", head[2:])[0], program)
    if b"\0" in head:
        return None  # compiled; whether this machine can run it is seen when it does
    if head.startswith(_BOM):
        return "it begins with a byte-order mark, which hides its #! line", "save it as UTF-8 without one"
    fix = "add one, such as #!/usr/bin/env python3, or start it with its interpreter, such as {python}"
    return "it has no #! line to say which program runs it", fix


def _not_found(program: str) -> Mistake:
    path = Path(program)
    if path.is_dir():
        return "it is a folder", "name the program in it"
    if not path.is_file():
        fix = "correct it, or install it"
        return f"nothing executable has that name on PATH or below {Path.cwd()}", fix
    if os.access(path, os.X_OK):
        return "a name without / is looked for on PATH only", f"write ./{program}"
    fix = f"make it executable (chmod +x {program}), or start it with its interpreter, such as {{python}}"
    return "it is not executable", fix


def _mistake_of_interpreter(line: bytes, program: str) -> Mistake | None:
    """Returns the problem with what follows ``#!``; None if there is none."""
    interpreter, _, argument = os.fsdecode(line).replace("\t", " ").strip(" ").partition(" ")
    missing = None if _can_run(interpreter) else interpreter
    if missing is None and Path(interpreter).name == "env":
        missing = _missing_to_env(argument.strip(" "))
    if missing is None:
        return None
    if missing.endswith("\r"):
        fix = f"convert it (dos2unix {program}), or start it with its interpreter, such as {{python}}"
        return "its Windows line endings keep its #! line from naming a program", fix
    fix = "correct that line, or start it with an interpreter that exists, such as {python}"
    return f"its #! line asks for {missing or 'nothing'}, which cannot be started here", fix


def _missing_to_env(argument: str) -> str | None:
    """Returns the program that ``env`` cannot find; None if it finds it, or if that is not certain."""
    name = argument  # all of it: Linux hands the rest of the line over as one argument
    if argument.startswith("-S "):
        name = argument.split()[1]
    is_name = name and not name.startswith("-") and "=" not in name
    return name if is_name and shutil.which(name) is None else None


def _can_run(path: str) -> bool:
    return os.access(path, os.X_OK) and not Path(path).is_dir()
