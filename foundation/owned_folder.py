"""A folder for one process: nobody else may look into it, and it does not outlive its owner for long.

What a killed process left is removed by the next one that makes such a folder at the same place.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

OWNER = ".owner"
"""The file whose lock the owner holds for as long as it lives; in it, the name of the owner's machine."""


class OwnedFolder:
    """A folder of mode 0700, with its lock.

    Args:
        path: Path of the folder.
        lock: Descriptor of the file that says whose it is; locked, where the file system has locks.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path, self._lock = path, lock

    def remove(self) -> None:
        """Removes the folder. What is still written to cannot be removed now; the next owner removes it."""
        _remove(self.path)
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1


def make_owned_folder(root: Path, prefix: str) -> OwnedFolder:
    """Makes one in a folder, and removes the left-overs there of dead processes of this user and machine.

    Args:
        root: The folder.
        prefix: Beginning of its name, and of the names of left-overs.

    Raises:
        OSError: The folder cannot be written to.
    """
    for left_over in root.glob(f"{prefix}*"):
        with suppress(OSError):  # somebody else's, or gone meanwhile
            found = left_over.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                _remove_if_dead(left_over)
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    lock = os.open(path / OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with suppress(OSError):  # a file system without locks: nobody will take it for a left-over
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, socket.gethostname().encode())
    return OwnedFolder(path, lock)


def _remove_if_dead(path: Path) -> None:
    lock = os.open(path / OWNER, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if os.read(lock, 256) == socket.gethostname().encode():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its owner lives
            _remove(path)
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    """Removes a folder as far as possible; its lock goes last, so that a later owner can remove the rest."""
    with suppress(OSError):
        for entry in path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != OWNER:
                entry.unlink(missing_ok=True)
        if [entry.name for entry in path.iterdir()] == [OWNER]:
            (path / OWNER).unlink()
            path.rmdir()
