"""Writes files that are whole or not there at all, however the process ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, draft: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Writes ``draft``, then renames it to ``path``: at no time is there a partial file under that name.

    Args:
        path: Path of the file.
        draft: Another path on the same file system; a dead process's leftover there is replaced.
        fill: Writes the content.
    """
    with draft.open("wb") as file:
        fill(file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
