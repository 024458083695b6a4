"""The folders of this process's Ray and Ray Tune, which nobody else may look into.

Ray makes its own for everybody, and neither removes what is left when it is killed: so they lie below folders
that are owned (`foundation.owned_folder`). The path of Ray's is short: it holds sockets, whose paths are
limited.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from foundation.owned_folder import OwnedFolder, make_owned_folder
from tuner.errors import ClusterError

RAY, TUNE = "r", "tune"
"""The folders below it that Ray and Ray Tune make."""

MIN_FREE_MIB = 16
"""Space for the files and logs with which Ray starts."""

_PREFIX = "dt-"
_SHORT = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # what is made there is private
_MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
_LONGEST_SOCKET = (
    f"/{_PREFIX}12345678/{RAY}/session_2026-01-01_00-00-00_000000_4194304/sockets/dash_TaskEventsHead"
)
MAX_ROOT = _MAX_SOCKET_PATH - len(_LONGEST_SOCKET)
"""Bytes that the path of the temporary folder may have."""

_log = logging.getLogger(__name__)


def make_private_folder(root: Path) -> OwnedFolder:
    """Makes one in a folder.

    Args:
        root: A temporary folder; for Ray's own a short one, see `short_temporary_folder`.

    Raises:
        ClusterError: The folder cannot be written to, or has no space: Ray would wait there, and not say why.
    """
    hint = "free some space, or set TMPDIR to another folder."
    try:
        folder = make_owned_folder(root, _PREFIX)  # first: left-overs take space too
        free_mib = shutil.disk_usage(root).free >> 20
    except OSError as error:
        raise ClusterError(f"{root}: cannot make a folder here: {error.strerror}.", hint) from error
    if free_mib < MIN_FREE_MIB:
        folder.remove()
        raise ClusterError(f"{root}: only {free_mib} MiB are free, and Ray needs {MIN_FREE_MIB}.", hint)
    return folder


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
