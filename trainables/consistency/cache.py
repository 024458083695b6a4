"""A folder of things that are expensive to make: made once, by one process, and never half.

Knows files, locks and checksums. Does not know what is kept; a key must cover everything that the
content depends on.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from foundation.whole_file import whole_file

_DIGEST_BYTES = 32


def cache_key(constants: Mapping[str, Any], sources: list[Path]) -> str:
    """A key that changes with any constant, any source file and the torch version.

    Args:
        constants: Everything set at run time that the content depends on; must be JSON.
        sources: The code that makes the content.
    """
    digest = hashlib.sha256(json.dumps(dict(constants), sort_keys=True).encode())
    digest.update(torch.__version__.encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:24]


def load_or_make(folder: Path, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Returns the content kept under ``key``, making it first if need be.

    Several processes may ask at once: one makes, the others wait for it. A file that is damaged, or
    was left by a process that died while writing, is made again.

    Args:
        folder: Created if missing; must be on a file system with ``flock``.
        key: From ``cache_key``.
        make: Makes the content: a dict of tensors, numbers, text, lists and dicts.

    Raises:
        ValueError: The folder cannot be written to, or its disk is full; the message has the fix.
    """
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key}.pt"
    content = _read(path)
    if content is not None:
        return content
    with _locked(folder / f"{key}.lock"):
        content = _read(path)  # another process may have made it while we waited
        if content is None:
            made = make()
            with _told(folder):
                _write(path, made)
            content = _read(path)
    if content is None:
        raise OSError(f"{path} cannot be read back just after it was written")
    return content


def _read(path: Path) -> dict[str, Any] | None:
    """The content of a cache file; None if there is none, or if its checksum is wrong."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, payload = data[:_DIGEST_BYTES], memoryview(data)[_DIGEST_BYTES:]  # a view: it may be gigabytes
    if hashlib.sha256(payload).digest() != digest:
        return None
    content: dict[str, Any] = torch.load(io.BytesIO(payload), weights_only=True)
    return content


def _write(path: Path, content: dict[str, Any]) -> None:
    """Writes a cache file: the checksum, then the content."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getbuffer()
    # Only the holder of the lock writes.
    with whole_file(path, path.with_suffix(".partial")) as draft, draft.open("wb") as file:
        file.writelines((hashlib.sha256(payload).digest(), payload))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock; the kernel frees it when the process ends, however it ends."""
    with _told(path.parent):
        file = path.open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Says of a cache that cannot be written what to do about it."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"cannot write to the cache {folder}: {error.strerror}. Fix: free some space, or name another "
            "folder by the environment variable XDG_CACHE_HOME or the stage option cache_dir."
        ) from error
