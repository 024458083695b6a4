"""Says why a module that a study names cannot be imported: what it raised, in which file and line."""

from __future__ import annotations

import traceback
from collections.abc import Iterable

from foundation.one_line import one_line

MAX_REASON = 500
"""Most characters of what the module raised."""


def why_not_imported(error: BaseException) -> tuple[str, str]:
    """Returns what an import raised, with its place, and the fix.

    Args:
        error: As it was raised: any exception, since a module may do anything while it is imported.
    """
    place = _place(error)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    said = one_line(text, MAX_REASON).rstrip(".")
    if not isinstance(error, ImportError | AttributeError):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if not place:
        return said, "install the module, or run from the folder that holds it."
    if isinstance(error, ImportError):
        return f"{said} ({place})", "install what it imports, or correct that line."
    return f"{said} ({place})", "correct that line."


def _place(error: BaseException) -> str:
    """Returns the last file and line that is not an installed package's, if possible; else empty."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frame = last_frame(
        frame
        for frame in traceback.extract_tb(error.__traceback__)[1:]
        if not frame.filename.startswith("<frozen") and "/importlib/" not in frame.filename
    )
    return f"{frame.filename}:{frame.lineno}" if frame else ""


def last_frame(frames: Iterable[traceback.FrameSummary]) -> traceback.FrameSummary | None:
    """Returns the last frame that is not in an installed package, else the last; None if there is none."""
    found = list(frames)
    own = [frame for frame in found if "/site-packages/" not in frame.filename] or found
    return own[-1] if own else None
