"""Writes a script's configuration file with a trial's values, and checks it before a study starts.

Knows the options of a command stage and files. Starts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config_patch import ConfigPatchError, patch
from trainables.command.options import CommandOptions, mistake
from trainables.command.program import check_program

OWN_FILES = ("output.log", "trial.json")
"""Names of the other files that are written into a trial's folder."""


def write_config(options: CommandOptions, words: Mapping[str, Any], folder: Path) -> Path:
    """Writes the trial's copy of the configuration: the same bytes, but for the values in ``patch``.

    Raises:
        ValueError: The file cannot be read or patched, or there is no such word.
    """
    for word in options.patch.values():
        if word not in words:
            raise mistake("patch", word, f"use one of {', '.join(words)}")
    copy = folder / Path(options.config).name
    copy.write_bytes(_patched(options, {key: words[word] for key, word in options.patch.items()}))
    return copy


def changes(options: CommandOptions, words: Mapping[str, Any]) -> list[str]:
    """Returns what the trial's copy has in place of the original's values, a text a key of ``patch``."""
    if not options.patch:
        return []
    values = {key: words[word] for key, word in options.patch.items()}
    source = Path(options.config)
    _, changed = patch(source.read_bytes().decode("utf-8"), values, source)
    told = {change.key: f"{change.key}: {change.before} -> {change.after}" for change in changed}
    return [told.get(key, f"{key}: {value}, as it was") for key, value in values.items()]


def check(options: CommandOptions) -> None:
    """Raises ValueError for what would fail in every trial, whatever its parameters.

    That is: a program or Python script that cannot be started, a configuration file that cannot be read or
    patched, a ``logs`` folder that cannot be made. Words with a parameter in braces are not looked at.
    """
    check_program(options.command)
    if options.config:
        check_config(options)
    if options.logs:
        make_logs(options.logs)


def check_config(options: CommandOptions) -> None:
    """Raises ValueError for a configuration file that cannot be read or patched."""
    if Path(options.config).name in OWN_FILES:
        fix = "give the file another name: the trial's folder has a file of ours with this name"
        raise mistake("config", options.config, fix)
    _patched(options, dict.fromkeys(options.patch, 1))


def make_logs(logs: str) -> None:
    """Makes the folder for trials' folders; ValueError when it cannot be written."""
    try:
        Path(logs).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise mistake("logs", logs, f"name a folder that can be written ({error.strerror})") from error
    if not os.access(logs, os.W_OK | os.X_OK):
        raise mistake("logs", logs, "name a folder that can be written")


def _patched(options: CommandOptions, values: Mapping[str, Any]) -> bytes:
    source = Path(options.config)
    try:
        content = source.read_bytes()
        if not values:
            return content
        text, _ = patch(content.decode("utf-8"), values, source)
    except OSError as error:
        fix = f"name a file that can be read from {Path.cwd()} ({error.strerror})"
        raise mistake("config", options.config, fix) from error
    except UnicodeDecodeError:
        raise mistake("config", options.config, "save it as UTF-8 text") from None
    except ConfigPatchError as error:
        raise ValueError(f"stage option patch: {error}") from None
    return text.encode("utf-8")
