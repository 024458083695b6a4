"""Where a script's metrics are: the options source, file and file_format, and what W&B needs to write there.

Knows the options' values. Does not look whether a file is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.command.mistakes import mistake
from trainables.command.sources import FORMATS

SOURCES = ("json", "regex", "file", "tensorboard", "wandb")
WRITTEN_LATE = ("tensorboard", "wandb")
"""Sources that are written some time after the figures were logged; each of them says when that was."""

_FOLDERS = {"tensorboard": "name the folder of TensorBoard's event files, such as '{dir}/tensorboard'"}
_MODE, _DIR = "WANDB_MODE", "WANDB_DIR"
_FLUSH_S = 0.2


def check_place(source: str, file: str, file_format: str, env: Mapping[str, Any]) -> None:
    """Raises ValueError unless the options say where metrics are and in which format."""
    if source in ("file", "tensorboard") and not file:
        fix = _FOLDERS.get(source, "name the metrics file, such as '{dir}/metrics.jsonl'")
        raise mistake("file", file, fix)
    if source == "wandb" and env.get(_MODE) == "disabled":
        fix = "leave it out: what source: wandb reads is written offline, and nothing is uploaded"
        raise mistake(f"env.{_MODE}", env[_MODE], fix)
    if file_format and source != "file":
        raise mistake("file_format", file_format, "leave it out; it goes with source: file")
    if source == "file" and format_of(file, file_format) not in FORMATS:
        known = f"file_format: {' or '.join(FORMATS)}"
        if file_format:
            raise mistake("file_format", file_format, f"write {known}")
        raise mistake("file", file, f"write {known}, since the file's name does not tell")


def format_of(file: str, file_format: str) -> str:
    """Returns the format of a metrics file, which its suffix tells unless ``file_format`` does."""
    return file_format or Path(file).suffix.removeprefix(".").lower()


def file_of(source: object, env: object) -> str:
    """Returns option ``file`` where it is left out: the script's WANDB_DIR, if W&B is the source."""
    given = env.get(_DIR) if isinstance(env, Mapping) else None
    folder = given if given and isinstance(given, str) else "{dir}"
    return folder if source == "wandb" else ""


def environment_of(source: str, folder: str) -> dict[str, str]:
    """Returns the variables by which W&B writes into a folder, soon, and sends nothing; none for others."""
    if source != "wandb":
        return {}
    return {
        _MODE: "offline",
        _DIR: folder,
        "WANDB_ERROR_REPORTING": "false",  # it would send its own errors even offline
        "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": str(_FLUSH_S),  # versions without it pass over it
    }
