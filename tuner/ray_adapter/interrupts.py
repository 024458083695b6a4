"""SIGINT and SIGTERM end a run gracefully: what was finished is in the journal, a partial result is written.

The handler only remembers: an exception out of it would go off inside Ray's C code. While Tune runs, a signal
also becomes Tune's own SIGUSR1, on which it comes to rest by itself; everywhere else, whoever waits asks
`check`. A second signal ends the process at once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """Raised by `check`; like KeyboardInterrupt, no `except Exception` holds it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Interrupts:
    """Remembers the first signal while it is entered."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._in_tune = False

    @property
    def exit_code(self) -> int | None:
        """130 for SIGINT, 143 for SIGTERM, None when there was no signal."""
        return None if self.signum is None else 128 + self.signum

    @property
    def name(self) -> str:
        """The signal's name; empty when there was none."""
        return "" if self.signum is None else signal.Signals(self.signum).name

    def check(self) -> None:
        """Raises Interrupted when a signal came."""
        if self.signum is not None:
            raise Interrupted(self.signum)

    def __enter__(self) -> Self:
        self._before = {signum: signal.getsignal(signum) for signum in _SIGNALS}
        self.listen()
        return self

    def listen(self) -> None:
        """Takes the signals; once more after `ray.init`, whose C++ part prints its stack on SIGTERM."""
        if self.signum is None:
            for signum in _SIGNALS:
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
    def inside_tune(self) -> Iterator[None]:
        """Marks the time during which Tune listens to SIGUSR1."""
        # Tune listens only a little after fit() begins. A SIGUSR1 in between must not kill the process; it
        # is not lost either, since `signum` keeps the advisor from being asked again.
        before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        self._in_tune = True
        try:
            yield
        finally:
            self._in_tune = False
            signal.signal(signal.SIGUSR1, before)

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        self.signum = signum
        for again in _SIGNALS:
            signal.signal(again, signal.SIG_DFL)
        if self._in_tune:
            os.kill(os.getpid(), signal.SIGUSR1)
