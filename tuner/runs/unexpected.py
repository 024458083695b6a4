"""An exception that nobody foresaw, as one message for the user; its traceback goes to a file.

The only place that decides what is said of a bug and where its traceback is kept. Prints nothing.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from pathlib import Path

from foundation.one_line import one_line
from tuner.core.imports import last_frame
from tuner.errors import InternalError, TunerError

DRIVER_ERRORS = "errors/driver.txt"
"""File in a run's folder with the tracebacks of whatever ended it unexpectedly, the newest last."""

_MAX_TEXT = 300


def as_tuner_error(error: BaseException, run: Path | None = None) -> TunerError:
    """The error a user is shown: a `TunerError` as it is, anything else as an `InternalError`.

    Args:
        error: The exception that was raised.
        run: Folder of the run that it ended; None when there is none, and the traceback then goes to a new
            file in the temporary folder, which only its owner can read.
    """
    if isinstance(error, TunerError):
        return error
    trace = "".join(traceback.format_exception(error))
    kept = (run is not None and _appended(run / DRIVER_ERRORS, trace)) or _temporary(trace)
    where = f"Its traceback is in {kept}." if kept else f"Its traceback could not be saved:\n{trace}"
    return InternalError(
        f"{_in_a_line(error)}. This is a bug, in distill-tuner or in a plug-in that the study names. {where}",
        "mend the plug-in, or report the bug with that traceback"
        + (f"; `--resume {run}` then continues the run." if run else "."),
    )


def _in_a_line(error: BaseException) -> str:
    """Type, message and place: `ZeroDivisionError: division by zero (my_rules.py, line 12)`."""
    try:
        text = str(error)
    except Exception:  # it is being told as a bug already
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
