"""An exception that nobody foresaw, as one message for the user; its traceback goes to a file.

The only place that decides what is said of a bug, and of a system that refuses a file, and where a traceback
is kept. Prints nothing.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
import traceback
from pathlib import Path

from foundation.one_line import one_line
from tuner.core.imports import last_frame
from tuner.errors import InternalError, MachineError, TunerError

DRIVER_ERRORS = "errors/driver.txt"
"""File in a run's folder with the tracebacks of whatever ended it unexpectedly, the newest last."""

_MAX_TEXT = 300

_SPACE = "free some space, or raise the quota"
_RIGHTS = "give this user the right to it, or name another place"
_DISK = "mend the disk, or its connection: dmesg says more"
_FIXES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "mount the disk writable, or name another place",
    errno.EIO: _DISK,
    errno.ENODEV: _DISK,
    errno.ENXIO: _DISK,
    errno.ESTALE: _DISK,
    errno.ENOTCONN: _DISK,
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "let other processes close files: the whole system has too many open",
    errno.ENOMEM: "free some memory",
    errno.ENAMETOOLONG: "choose shorter names",
}
"""The fix for each error of the system; any other OSError is a bug."""


def as_tuner_error(error: BaseException, run: Path | None = None) -> TunerError:
    """The error a user is shown: a `TunerError` as it is, one of the system as a `MachineError`.

    Anything else is an `InternalError`: a bug.

    Args:
        error: The exception that was raised.
        run: Folder of the run that it ended; None when there is none, and the traceback then goes to a new
            file in the temporary folder, which only its owner can read.
    """
    if isinstance(error, TunerError):
        return error
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, OSError) and error.errno in _FIXES:
        return _system_fault(error, trace, run)
    kept = (run is not None and _appended(run / DRIVER_ERRORS, trace)) or _temporary(trace)
    where = f"Its traceback is in {kept}." if kept else f"Its traceback could not be saved:\n{trace}"
    return InternalError(
        f"{_in_a_line(error)}. This is a bug, in distill-tuner or in a plug-in that the study names. {where}",
        "mend the plug-in, or report the bug with that traceback"
        + (f"; `--resume {run}` then continues the run." if run else "."),
    )


def _system_fault(error: OSError, trace: str, run: Path | None) -> MachineError:
    """The error for what the system refused; nobody reads its traceback but who looks for it in the run."""
    kept = run is not None and _appended(run / DRIVER_ERRORS, trace)
    where = f" Its traceback is in {kept}." if kept else ""
    then = f", then `--resume {run}` continues the run." if run else "."
    named = one_line(_file_of(error) or "a file or device", _MAX_TEXT)
    assert error.errno is not None
    told = MachineError(f"{named}: {error.strerror}.{where}", f"{_FIXES[error.errno]}{then}")
    told.__cause__ = error
    return told


def _file_of(error: OSError) -> str:
    """The file that an error is about; empty if nothing tells.

    Python does not name it where an open file cannot be read or written. It is then the open file of the
    innermost function that has one, else a path in the function that failed.
    """
    if isinstance(error.filename, str | bytes | os.PathLike):
        return os.fsdecode(error.filename)
    trace, found = error.__traceback__, ""
    while trace is not None:
        values = trace.tb_frame.f_locals.values()
        names = [getattr(value, "name", None) for value in values if isinstance(value, io.IOBase)]
        if trace.tb_next is None:
            names += [str(value) for value in values if isinstance(value, Path)]
        found = next((name for name in names if isinstance(name, str)), found)
        trace = trace.tb_next
    return found


def _in_a_line(error: BaseException) -> str:
    """Type, message and place: `ZeroDivisionError: division by zero (my_rules.py, line 12)`."""
    try:
        text = str(error)
    except BaseException:  # it is being told as a bug already
        text = ""
    line = one_line(f"{type(error).__name__}: {text}", _MAX_TEXT).rstrip(":.")
    frame = last_frame(traceback.extract_tb(error.__traceback__))
    return f"{line} ({Path(frame.filename).name}, line {frame.lineno})" if frame else line


def _appended(path: Path, text: str) -> str:
    """Appends the text to a file and returns its path; empty if it cannot be written."""
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{text}\n")
    except OSError:
        return ""
    return str(path)


def _temporary(text: str) -> str:
    """The path of a new file with the text, readable by its owner alone; empty when there can be none."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="distill-tuner-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return ""
    return path
