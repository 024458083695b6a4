"""A home folder and a user's name for a process that has none, as in a container run with a foreign uid.

Ray and torch want both where they are imported, and fail without.
"""

from __future__ import annotations

import getpass
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from tuner.errors import ClusterError


def ensure_home() -> str:
    """Sets HOME and USER where the system does not know them; child processes inherit both.

    Returns:
        What was missing and what is used now, with the fix after `Fix: `; empty when there is a home.

    Raises:
        ClusterError: There is none, and none can be made.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"uid{os.getuid()}"
    if os.path.isabs(os.path.expanduser("~")):
        return ""
    folder = _folder()
    os.environ["HOME"] = str(folder)
    return (
        f"there is no home folder: HOME is not set, and uid {os.getuid()} has no entry in /etc/passwd; "
        f"{folder} is used. Fix: set HOME to a folder that stays."
    )


def _folder() -> Path:
    """Returns the same folder each time, so that what is cached there is found again."""
    folder = Path(tempfile.gettempdir()) / f"distill-tuner-{os.getuid()}"
    hint = "set HOME to a folder of your own."
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise ClusterError(f"{folder}: cannot make a home folder: {error.strerror}.", hint) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ClusterError(f"{folder} is to be the home folder, but others can write to it.", hint)
    return folder
