"""Fills a command line and the copy of a configuration file with a trial's values.

Knows words in braces and dotted keys. ``check`` finds before a study starts what would fail in
every trial. Starts nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trainables.command.options import CommandOptions, mistake


def fill(text: str, words: Mapping[str, Any]) -> str:
    """Replaces ``{name}`` where the name is known; ValueError for one that is not."""

    def replace(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise ValueError(f"no word {match[0]} for {text!r}. Fix: use one of {', '.join(words)}.")
        return str(words[match[1]])

    return re.sub(r"\{([A-Za-z_]\w*)\}", replace, text)


def write_config(options: CommandOptions, words: Mapping[str, Any], folder: Path) -> Path:
    """Writes the trial's copy of the script's YAML or JSON (which is YAML too), patched.

    Raises:
        ValueError: The file cannot be read, has no such key, or there is no such word.
    """
    source = Path(options.config)
    values = _read_config(options)
    for dotted, word in options.patch.items():
        node, last = _place(values, dotted, source)
        if word not in words:
            raise mistake("patch", word, f"use one of {', '.join(words)}")
        node[last] = words[word]
    path_of_copy = folder / source.name
    dump = json.dumps(values) if source.suffix == ".json" else yaml.safe_dump(values, sort_keys=False)
    path_of_copy.write_text(dump, encoding="utf-8")
    return path_of_copy


def check(options: CommandOptions) -> None:
    """Raises ValueError for what would fail in every trial, whatever its parameters.

    That is: a program or Python script that is not there, a configuration file that cannot be read
    or lacks a key of ``patch``, a ``logs`` folder that cannot be made. Words with a parameter in
    braces are not looked at.
    """
    _check_program(options.command)
    if options.config:
        values = _read_config(options)
        for dotted in options.patch:
            _place(values, dotted, Path(options.config))
    if options.logs:
        make_logs(options.logs)


def make_logs(logs: str) -> None:
    """Makes the folder for trials' folders; ValueError when it cannot be written."""
    try:
        Path(logs).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise mistake("logs", logs, f"name a folder that can be written ({error.strerror})") from error
    if not os.access(logs, os.W_OK | os.X_OK):
        raise mistake("logs", logs, "name a folder that can be written")


def _check_program(command: list[str]) -> None:
    program = command[0].replace("{python}", sys.executable)
    if "{" not in program and shutil.which(program) is None:
        here = f"nothing executable has that name on PATH or below {Path.cwd()}"
        raise mistake("command", command[0], f"{here}: correct it, install it, or make it executable")
    script = command[1] if command[0] == "{python}" and len(command) > 1 else "-"
    if not script.startswith("-") and "{" not in script and not Path(script).is_file():
        raise mistake("command", script, f"no such file below {Path.cwd()}: correct the path")


def _read_config(options: CommandOptions) -> Any:
    try:
        return yaml.safe_load(Path(options.config).read_text(encoding="utf-8"))
    except OSError as error:
        fix = f"name a file that can be read from {Path.cwd()} ({error.strerror})"
        raise mistake("config", options.config, fix) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())
        raise mistake("config", options.config, f"make it valid YAML or JSON ({line})") from error


def _place(values: Any, dotted: str, source: Path) -> tuple[dict[str, Any], str]:
    """The mapping that holds a dotted key, and the key's last part."""
    *path, last = dotted.split(".")
    node = values
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    if not isinstance(node, dict) or last not in node:
        raise mistake("patch", dotted, f"{source} has no such key: correct it, or add it there")
    return node, last
