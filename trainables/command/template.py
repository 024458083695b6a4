"""Writes a script's configuration file with a trial's values, and checks it before a study starts.

Knows the options of a command stage and files. Starts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config_patch import Change, ConfigPatchError, included_by, patch
from trainables.command.mistakes import mistake
from trainables.command.options import CommandOptions
from trainables.command.program import check_program
from trainables.command.words import value_of
from trainables.command.workdir import NAME, check_paths

OWN_FILES = ("output.log", "trial.json", "evaluate.log", "evaluate_start.log", NAME)
"""Names of the other files that are written into a trial's folder."""


def write_config(
    options: CommandOptions, words: Mapping[str, Any], folder: Path, more: Mapping[str, Any] | None = None
) -> Path:
    """Writes the trial's copy of the configuration: the same bytes, but for the values of a trial.

    Args:
        options: The stage's options.
        words: The words and their values.
        folder: The trial's own.
        more: Keys and values that are patched too; they win over ``patch`` and ``constants``.

    Raises:
        ValueError: The file cannot be read or patched, or there is no such word.
    """
    copy = folder / Path(options.config).name
    content, _ = _patched(options, _values(options, words, more))
    copy.write_bytes(content)
    for place, text in _places(options).items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8", newline="")
    return copy


def changes(
    options: CommandOptions, words: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> list[str]:
    """Returns what the trial's copy has in place of the original's values, a text for each key."""
    values = _values(options, words, more)
    if not values:
        return []
    _, changed = _patched(options, values)
    told = {change.key: f"{change.key}: {change.was} -> {change.after}" for change in changed}
    return [told.get(key, f"{key}: {value}, as it was") for key, value in values.items()]


def check(options: CommandOptions) -> None:
    """Raises ValueError for what would fail in every trial; makes the ``logs`` folder."""
    check_inputs(options)
    if options.logs:
        make_logs(options.logs)


def check_inputs(options: CommandOptions) -> None:
    """Raises ValueError for what would fail in every trial, whatever its parameters; writes nothing.

    That is: a program or Python script that cannot be started, a configuration file that cannot be read or
    patched, a missing file of ``workdir``. Words with a parameter in braces are not looked at.
    """
    check_program(options.command)
    for name in ("evaluate", "evaluate_start"):
        if command := getattr(options, name):
            check_program(command, name)
    check_paths(options.workdir)
    if options.config:
        check_config(options)


def check_config(options: CommandOptions) -> None:
    """Raises ValueError for a configuration file that cannot be read or patched."""
    if Path(options.config).name in OWN_FILES:
        fix = "give the file another name: the trial's folder has a file of ours with this name"
        raise mistake("config", options.config, fix)
    values = {**dict.fromkeys(options.patch, 1), **options.constants}
    _patched(options, values)
    if options.probe:
        try:
            _patched(options, {**values, **dict.fromkeys(options.probe.get("patch", ()), 1)})
        except ValueError as error:
            raise ValueError(str(error).replace("option patch", "option probe.patch", 1)) from None
    _places(options)


def make_logs(logs: str) -> None:
    """Makes the folder for trials' folders; ValueError when it cannot be written."""
    try:
        Path(logs).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise mistake("logs", logs, f"name a folder that can be written ({error.strerror})") from error
    if not os.access(logs, os.W_OK | os.X_OK):
        raise mistake("logs", logs, "name a folder that can be written")


def _places(options: CommandOptions) -> dict[Path, str]:
    """Returns where in a trial's folder the files go that the configuration includes, and their texts.

    They are as far from the copy as from the original, so that it finds them by the same names.

    Raises:
        ValueError: One of them is not in the folder of the configuration, nor below it.
    """
    source = Path(options.config)
    found = {}
    for other, text in _included(options).items():
        place = Path(os.path.relpath(other, source.parent))
        if ".." in place.parts or place.name in OWN_FILES or place.parts[0] in OWN_FILES:
            fix = f"move {other}, which it includes, into the same folder or one below it, under another name"
            raise mistake("config", options.config, fix)
        found[place] = text
    return found


def _included(options: CommandOptions) -> dict[Path, str]:
    try:
        return included_by(Path(options.config))
    except OSError as error:
        fix = f"name a file that can be read, with all that it includes ({error.filename}: {error.strerror})"
        raise mistake("config", options.config, fix) from error
    except UnicodeDecodeError:
        raise mistake("config", options.config, "save what it includes as UTF-8 text") from None


def _values(
    options: CommandOptions, words: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Returns the values of all keys: ``constants``, ``patch``, ``more``; ValueError for an unknown word."""
    values = dict(options.constants)
    for key, text in {**options.patch, **(more or {})}.items():
        try:
            values[key] = value_of(text, words)
        except (KeyError, ValueError):
            raise mistake("patch", text, f"use one of {', '.join(words)}") from None
    return values


def _patched(options: CommandOptions, values: Mapping[str, Any]) -> tuple[bytes, Sequence[Change]]:
    """Returns the configuration with other values, and what has changed in it."""
    source = Path(options.config)
    try:
        content = source.read_bytes()
        if not values:
            return content, ()
        text, changed = patch(
            content.decode("utf-8"), values, source, can_create=options.create, included=_included(options)
        )
    except OSError as error:
        fix = f"name a file that can be read from {Path.cwd()} ({error.strerror})"
        raise mistake("config", options.config, fix) from error
    except UnicodeDecodeError:
        raise mistake("config", options.config, "save it as UTF-8 text") from None
    except ConfigPatchError as error:
        where = "patch or constants" if options.constants else "patch"
        raise ValueError(f"stage option {where}: {error}") from None
    return text.encode("utf-8"), changed
