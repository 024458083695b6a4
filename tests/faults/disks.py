"""Small file systems of a test's own, which can be full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.faults_alone import small_disk as disks
from benchmarks.faults_alone.small_disk import fill

__all__ = ["fill", "small_disk"]


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """The same as the benchmark's; skips the test where none can be made."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(disks.small_disk(at, size))
        except PermissionError as error:
            pytest.skip(str(error))
        yield disk
