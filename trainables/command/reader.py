"""A thread that reads a script's output and files as they come, so that the script never waits for the trial.

Stamps lines when they arrive, writes all output to a file, and hands on only the lines that are
waited for, without colours: memory does not grow with the output. Does not know what the lines mean.
"""

from __future__ import annotations

import math
import os
import queue
import re
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from trainables.command.output import Metrics
from trainables.command.usage import Usage

MAX_LINE = 65_536
"""Bytes of a line that are looked at; the rest goes to the file only."""
DRAIN_S = 0.5
"""Seconds for which output is still read after the script has ended, if a child keeps the pipe open."""

_CHUNK = 65_536
_POLL_S = 0.05
_TAIL_LINES = 100
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours and the like (ECMA-48, control sequences)


See = Callable[[str, float], Iterable[Metrics]]
"""Looks at a line that came at a time; returns the metrics that are waited for."""


class Poll(Protocol):
    """Looks for metrics elsewhere than in the output; see ``OutputWatch.poll``."""

    def __call__(self, at_s: float, /, *, is_end: bool) -> Iterable[tuple[Metrics, float]]:
        """Returns new metrics and their times."""


def nowhere(_at_s: float, /, *, is_end: bool) -> Iterable[tuple[Metrics, float]]:
    """Returns nothing: the output is all there is."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something the trial waits for.

    Attributes:
        at_s: ``time.perf_counter()`` when the event arrived.
        usage: CPU time and delays of the script up to then.
        metrics: Metrics of the line; None at the end of the script.
        error: The error in reading it.
    """

    at_s: float
    usage: Usage
    metrics: Metrics | None = None
    error: Exception | None = None


class OutputReader:
    """Reads until the end of the script, in a thread of its own.

    Args:
        pipe: The script's output; closed here.
        log: File that gets every byte.
        see: Called for each line with its time; the metrics it returns are handed on. An exception that it
            raises ends the reading, and is the last event.
        usage: Reads the CPU time and delays of the script.
        has_ended: Whether the script itself (not its children) has ended.
        poll: Called every 50 ms with the time, and once more when the script has ended; returns metrics from
            elsewhere than the output, and their times.

    Attributes:
        tail: The last lines.
    """

    def __init__(
        self,
        pipe: IO[bytes],
        log: Path,
        see: See,
        usage: Callable[[], Usage],
        has_ended: Callable[[], bool],
        poll: Poll,
    ) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._pipe, self._log, self._see = pipe, log, see
        self._usage, self._has_ended, self._poll = usage, has_ended, poll
        self._polled_s = 0.0
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._line = bytearray()
        self._line_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="script-output", daemon=True)
        self._thread.start()

    def next_event(self, until_s: float = math.inf) -> Event:
        """Returns the next line that ``see`` selects, or the end of the script, which is the last event.

        Raises:
            TimeoutError: Nothing has come by ``until_s``, seconds of ``time.perf_counter()``.
        """
        timeout_s = None if until_s == math.inf else max(0.0, until_s - time.perf_counter())
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None

    def join(self) -> None:
        """Waits until the thread has ended; the script must have."""
        self._thread.join()

    def _run(self) -> None:
        error = None
        try:
            with self._pipe, self._log.open("wb", buffering=0) as log:
                self._read_all(log)
        except Exception as raised:  # told to the trial, which would wait for ever
            error = raised
        self._events.put(Event(at_s=time.perf_counter(), usage=self._usage(), error=error))

    def _read_all(self, log: IO[bytes]) -> None:
        until = float("inf")
        while time.perf_counter() < until:
            is_ready = select.select([self._pipe], [], [], _POLL_S)[0]
            at_s = time.perf_counter()
            chunk = os.read(self._pipe.fileno(), _CHUNK) if is_ready else b""
            if is_ready and not chunk:
                break
            log.write(chunk)
            self._take(chunk, at_s)
            self._look(at_s)
            if until == float("inf") and self._has_ended():
                until = time.perf_counter() + DRAIN_S
        self._take(b"\n", time.perf_counter())
        while not self._has_ended():
            time.sleep(_POLL_S)
            self._look(time.perf_counter())
        self._look(time.perf_counter(), is_end=True)

    def _take(self, chunk: bytes, at_s: float) -> None:
        """Splits at line feeds and carriage returns (progress bars)."""
        *ended, rest = re.split(rb"[\r\n]", chunk)
        for part in ended:
            self._extend(part, at_s)
            if self._line:
                self._finish_line(self._line.decode(errors="replace"), self._line_at_s)
                self._line.clear()
        self._extend(rest, at_s)

    def _look(self, now_s: float, *, is_end: bool = False) -> None:
        if is_end or now_s - self._polled_s >= _POLL_S:
            self._polled_s = now_s
            for metrics, at_s in self._poll(now_s, is_end=is_end):
                self._events.put(Event(at_s=at_s, usage=self._usage(), metrics=metrics))

    def _extend(self, part: bytes, at_s: float) -> None:
        """Adds to the current line and times its text: unbuffered Python writes the line feed later."""
        self._line += part[: MAX_LINE - len(self._line)]
        if part:
            self._line_at_s = at_s

    def _finish_line(self, line: str, at_s: float) -> None:
        line = _ESCAPE.sub("", line) if "\x1b" in line else line
        self.tail.append(line[:2000])
        for metrics in self._see(line, at_s):
            self._events.put(Event(at_s=at_s, usage=self._usage(), metrics=metrics))
