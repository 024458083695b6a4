"""Small file systems of one's own, which can be full. The tests of full disks use them too."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """A real file system of a size such as `1m`, at a new folder.

    Raises:
        PermissionError: None can be mounted here.
    """
    at.mkdir()
    try:
        mount("-t", "tmpfs", "-o", f"size={size}", "none", at)
    except subprocess.CalledProcessError as error:
        raise PermissionError("needs to mount a small disk") from error
    try:
        yield at
    finally:
        unmount(at)


def mount(*words: str | Path) -> None:
    """Calls mount; raises CalledProcessError where that is not allowed."""
    subprocess.run(["mount", *words], capture_output=True, check=True)  # noqa: S603, S607  # the system's


def unmount(at: Path) -> None:
    """Takes a file system away, also from who has files of it open."""
    subprocess.run(["umount", "--lazy", at], check=True)  # noqa: S603, S607  # the system's


def fill(disk: Path) -> Path:
    """Writes a file that takes all the space that is left; remove it to make space."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        free = os.statvfs(disk)
        try:
            file.write(bytes(free.f_bavail * free.f_frsize))
            while file.write(b"\0"):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk has no end")
