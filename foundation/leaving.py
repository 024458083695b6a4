"""How this process ends. Knows nothing of why it does."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_at_once = False


def leave_at_once() -> None:
    """Makes `leave` skip all that Python does at its end: some library would wait there for what is dead."""
    global _at_once  # noqa: PLW0603  # a process ends once
    _at_once = True


def leave(code: int) -> NoReturn:
    """Ends the process with an exit code. A signal that comes now ends it at once, with the same code."""
    for signum in _SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, lambda *_: os._exit(code))
    if not _at_once:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
