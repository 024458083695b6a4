"""SIGINT, SIGTERM and SIGHUP end a run gracefully: a partial result is written.

The handler only remembers: an exception out of it would go off inside Ray's C code. Whoever waits asks
`check`. Only where nothing can be lost yet, such as during imports, it raises (`at_once`). A second signal
ends the process at once.

The end of the process is here too, since a signal may come then (`leave`).

SIGHUP says that the terminal has gone away, as with a dropped connection. It counts as SIGTERM, unless it is
ignored already, as under `nohup`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import NoReturn, Self

from tuner.errors import Interrupted, exit_code_of

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STANDARD_STREAMS = (0, 1, 2)
_is_at_once = False


class Interrupts:
    """Remembers the first signal while it is entered."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._raises = False
        self._taken: tuple[signal.Signals, ...] = ()
        self._terminals: tuple[int, ...] = ()

    @property
    def exit_code(self) -> int | None:
        """130 for SIGINT, 143 for SIGTERM and SIGHUP, None when there was no signal."""
        return None if self.signum is None else exit_code_of(self.signum)

    @property
    def name(self) -> str:
        """The signal's name; empty when there was none."""
        return "" if self.signum is None else signal.Signals(self.signum).name

    def check(self) -> None:
        """Raises Interrupted when a signal came."""
        if self.signum is not None:
            raise Interrupted(self.signum)

    def __enter__(self) -> Self:
        self.take()
        return self

    def take(self) -> None:
        """Takes the signals, for as long as nobody gives them back: until the end of a `with` block."""
        self._before = {signum: signal.getsignal(signum) for signum in _SIGNALS}
        ignored = self._before[signal.SIGHUP] is signal.SIG_IGN
        self._taken = tuple(signum for signum in _SIGNALS if signum != signal.SIGHUP or not ignored)
        self._terminals = tuple(fd for fd in _STANDARD_STREAMS if os.isatty(fd))
        self.listen()

    def listen(self) -> None:
        """Takes the signals; once more after `ray.init`, whose C++ part prints its stack on SIGTERM."""
        if self.signum is None:
            for signum in self._taken:
                signal.signal(signum, self._handle)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raises Interrupted as soon as a signal comes, for the duration of a `with` block.

        An exception that is raised in an import may be dropped, or turned into another one: the block then
        ends with Interrupted all the same.
        """
        self.check()
        self._raises = True
        try:
            yield
        except BaseException:
            self.check()
            raise
        finally:
            self._raises = False
        self.check()

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        self.signum = signum
        for again in self._taken:
            signal.signal(again, signal.SIG_DFL)
        if signum == signal.SIGHUP:
            self._let_go_of_terminals()
        if self._raises:
            self.check()

    def _let_go_of_terminals(self) -> None:
        """Sends to nowhere what would be written to a terminal that is no more: writing there is an error."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in self._terminals:
            os.dup2(nowhere, fd)
        os.close(nowhere)


def leave_at_once() -> None:
    """Makes `leave` skip all that Python does at its end: some library would wait there for what is dead."""
    global _is_at_once  # noqa: PLW0603  # a process ends once
    _is_at_once = True


def leave(code: int) -> NoReturn:
    """Ends the process with an exit code. A signal that comes now ends it at once, with the same code."""
    for signum in _SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, lambda *_: os._exit(code))
    if not _is_at_once:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
