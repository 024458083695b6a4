"""A folder for one process: nobody else may look into it, and it does not outlive its owner for long.

What Ray and Ray Tune write lies below such folders: Ray makes its own for everybody, and neither removes what
is left when it is killed. What a killed process left is removed by the next one. The path of Ray's is short:
it holds sockets, whose paths are limited.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import ClusterError

_PREFIX = "dt-"
_OWNER = "owner"
"""The file whose lock the owner holds for as long as it lives; in it, the name of the owner's machine."""
_SHORT = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # what is made there is private
_MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
_LONGEST_SOCKET = (
    f"/{_PREFIX}12345678/r/session_2026-01-01_00-00-00_000000_4194304/sockets/dash_TaskEventsHead"
)
MAX_ROOT = _MAX_SOCKET_PATH - len(_LONGEST_SOCKET)
"""Bytes that the path of the temporary folder may have."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateFolder:
    """A folder of mode 0700, with its lock. What is put into it is folders.

    Attributes:
        path: Path of the folder.
    """

    path: Path
    _lock: int

    @property
    def ray(self) -> Path:
        """The folder that Ray gets; Ray makes it, for everybody. Short, see `MAX_ROOT`."""
        return self.path / "r"

    @property
    def tune(self) -> Path:
        """The folder that Ray Tune gets, which makes it."""
        return self.path / "tune"

    def remove(self) -> None:
        """Removes the folder. What is still written to cannot be removed now; the next start removes it."""
        _remove(self.path)
        os.close(self._lock)


def make_private_folder(root: Path) -> PrivateFolder:
    """Makes one in a folder, and removes the left-overs of dead processes there.

    Args:
        root: A temporary folder; for Ray's own a short one, see `short_temporary_folder`.

    Raises:
        ClusterError: The folder cannot be written to.
    """
    _remove_left_overs(root)
    try:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = os.open(path / _OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with suppress(OSError):  # a file system without locks: nobody will take it for a left-over
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(lock, socket.gethostname().encode())
    except OSError as error:
        raise ClusterError(
            f"{root}: cannot make a folder here: {error.strerror}.", "free some space, or set TMPDIR."
        ) from error
    return PrivateFolder(path=path, _lock=lock)


def short_temporary_folder() -> Path:
    """The temporary folder; another one, with a warning, where its path is too long for Ray's sockets.

    Raises:
        ClusterError: The path is too long, and no other folder can be written to.
    """
    asked = tempfile.gettempdir()
    if len(os.fsencode(asked)) <= MAX_ROOT:
        return Path(asked)
    for other in map(Path, _SHORT):
        if other.is_dir() and os.access(other, os.W_OK | os.X_OK):
            _log.warning("%s has too long a path for Ray's sockets; %s is used.", asked, other)
            return other
    raise ClusterError(
        f"{asked}: the path of the temporary folder is too long for Ray's sockets, and none of "
        f"{', '.join(_SHORT)} can be written to.",
        f"set TMPDIR to a folder whose path has at most {MAX_ROOT} characters.",
    )


def _remove_left_overs(root: Path) -> None:
    """Removes what belonged to a process of this user and machine that has ended."""
    for path in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or gone meanwhile
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    lock = os.open(path / _OWNER, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if os.read(lock, 256) == socket.gethostname().encode():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its owner lives
            _remove(path)
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    """Removes a folder as far as possible; its lock goes last, so that a later start can remove the rest."""
    with suppress(OSError):
        for entry in path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
        if [entry.name for entry in path.iterdir()] == [_OWNER]:
            (path / _OWNER).unlink()
            path.rmdir()
