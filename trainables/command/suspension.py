"""Suspends a script between its report of an epoch and the end of that epoch's evaluation.

So the evaluation has the machine to itself, the checkpoint stays as the report left it, and the script's
time, which does not pass meanwhile, stays true. Knows processes and seconds. Does not know what is evaluated.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from trainables.command.ending import members

_MAX_ROUNDS = 10
"""Most times that processes are looked for which one that was not suspended yet has begun."""


class Suspension:
    """Suspends a script at each report but the last, in the thread that reads it.

    Args:
        session: The script's session.
        mark: The mark in its processes' environment; see ``ending``.
        num_reports: Reports of the whole script; 0 if it is never suspended. After the last it goes on to
            its end.
    """

    def __init__(self, session: int, mark: str, num_reports: int) -> None:
        self._session, self._mark, self._num_reports = session, mark, num_reports
        self._lock = threading.Lock()
        self._num_seen = 0
        self._since_s: float | None = None
        self._spans: list[tuple[float, float]] = []
        self._is_over = False

    def report(self) -> None:
        """Notes a report, and suspends the script unless it is the last."""
        with self._lock:
            self._num_seen += 1
            if self._num_seen < self._num_reports and self._since_s is None and not self._is_over:
                self._stop()
                self._since_s = time.perf_counter()

    def go_on(self, num_done: int) -> None:
        """Lets the script go on, unless more reports than ``num_done`` wait for their evaluation.

        The last of them does not hold it: that one is evaluated after the script's end.
        """
        with self._lock:
            if min(self._num_seen, self._num_reports - 1) <= num_done:
                self._continue()

    def finish(self) -> None:
        """Lets the script go on for good: it is about to be ended."""
        with self._lock:
            self._is_over = True
            self._continue()

    def running_s(self, at_s: float) -> float:
        """Returns a ``time.perf_counter()`` without the seconds for which the script was suspended."""
        with self._lock:
            spans = [*self._spans, *([(self._since_s, at_s)] if self._since_s is not None else [])]
        return at_s - sum(max(0.0, min(end, at_s) - begin) for begin, end in spans)

    def _stop(self) -> None:
        told: set[int] = set()
        for _ in range(_MAX_ROUNDS):
            new = members(self._session, self._mark) - told
            if not new:
                return
            _send(signal.SIGSTOP, new)
            told |= new

    def _continue(self) -> None:
        if self._since_s is not None:
            self._spans.append((self._since_s, time.perf_counter()))
            self._since_s = None
            _send(signal.SIGCONT, members(self._session, self._mark))


def _send(signum: signal.Signals, pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signum)
