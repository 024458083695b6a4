"""Small file systems of a test's own, which can be full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """A real file system of a size such as `1m`, at a new folder; skips the test where none can be made."""
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", at], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs to mount a small disk")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


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
