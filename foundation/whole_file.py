"""A file that is written whole or not at all: no reader ever sees half of it. Knows not what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(path: Path, draft: Path | None = None) -> Iterator[Path]:
    """A draft beside `path`, to be written in the block; it becomes `path` when the block ends well.

    It is on the disk by then. When the block or the disk fails, the draft is dropped and `path` is untouched.

    Args:
        path: Path of the finished file.
        draft: Another path on the same file system, for where only one process writes: it replaces what a
            killed one left there. None for a name of this process's own.

    Raises:
        OSError: The disk is full or gone.
    """
    draft = draft or path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)  # of a process that was killed; or a link to somewhere else
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
