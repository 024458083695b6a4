"""Where metrics are if a script does not print them: files that it writes, followed while it runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from trainables.command.sources.csv_file import CsvFile
from trainables.command.sources.followed import Source
from trainables.command.sources.json_file import JsonFile, JsonLines
from trainables.command.sources.tensorboard import EventFolder
from trainables.command.sources.wandb_runs import RunFolder

_FILES: dict[str, Callable[[Path], Source]] = {"json": JsonFile, "jsonl": JsonLines, "csv": CsvFile}
FORMATS = tuple(_FILES)
"""Formats of a metrics file; also the suffixes that tell them."""

__all__ = ["FORMATS", "Source", "follow_file", "follow_tensorboard", "follow_wandb"]


def follow_file(path: Path, file_format: str) -> Source:
    """Returns a follower of a metrics file in one of ``FORMATS``; call it before the script starts."""
    return _FILES[file_format](path)


def follow_tensorboard(folder: Path, nrmse: Collection[str], others: Collection[str]) -> Source:
    """Returns a follower of a folder of TensorBoard's event files; call it before the script starts.

    Args:
        folder: Folder that gets the event files; need not exist yet.
        nrmse: Tag of the NRMSE, or tags from which it is worked out.
        others: Tags whose scalars are waited for at each step that has an NRMSE.
    """
    return EventFolder(folder, nrmse, others)


def follow_wandb(folder: Path, wanted: str) -> Source:
    """Returns a follower of the W&B runs in a folder; call it before the script starts.

    Args:
        folder: Folder in which the script's runs begin; need not exist yet.
        wanted: Key of the figure that only one run may log; "" if none is needed.
    """
    return RunFolder(folder, wanted)
