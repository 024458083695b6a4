"""A thread that reads a script's output as it comes, so that the script never waits for the trial.

Stamps lines when they arrive, writes all output to a file, and hands on only the lines that are
waited for: memory does not grow with the output. Does not know what the lines mean.
"""

from __future__ import annotations

import os
import queue
import re
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainables.command.output import Metrics
from trainables.command.usage import Usage

MAX_LINE = 65_536
"""Bytes of a line that are looked at; the rest is in the file only."""
DRAIN_S = 0.5
"""How long output is read after the script itself has ended, if a child of its keeps that open."""

_CHUNK = 65_536
_POLL_S = 0.05
_TAIL_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something the trial waits for.

    Attributes:
        at_s: ``time.perf_counter()`` when it arrived.
        usage: What the script had used by then.
        metrics: Of the line; None at the end of the script.
        error: What went wrong in reading it.
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
        see: Called for each line with its time; what it gives is handed on, unless None.
        usage: Reads what the script has used.
        has_ended: Whether the script itself (not its children) has ended.

    Attributes:
        tail: The last lines.
    """

    def __init__(
        self,
        pipe: IO[bytes],
        log: Path,
        see: Callable[[str, float], Metrics | None],
        usage: Callable[[], Usage],
        has_ended: Callable[[], bool],
    ) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._pipe, self._log, self._see = pipe, log, see
        self._usage, self._has_ended = usage, has_ended
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._line = bytearray()
        self._thread = threading.Thread(target=self._run, name="script-output", daemon=True)
        self._thread.start()

    def next_event(self) -> Event:
        """The next line that is waited for, or the end of the script, which is the last."""
        return self._events.get()

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
            if until == float("inf") and self._has_ended():
                until = time.perf_counter() + DRAIN_S
        self._take(b"\n", time.perf_counter())
        while not self._has_ended():
            time.sleep(_POLL_S)

    def _take(self, chunk: bytes, at_s: float) -> None:
        """Splits at line feeds and carriage returns (progress bars)."""
        *ended, rest = re.split(rb"[\r\n]", chunk)
        for part in ended:
            self._extend(part)
            if self._line:
                self._finish_line(self._line.decode(errors="replace"), at_s)
                self._line.clear()
        self._extend(rest)

    def _extend(self, part: bytes) -> None:
        self._line += part[: MAX_LINE - len(self._line)]

    def _finish_line(self, line: str, at_s: float) -> None:
        self.tail.append(line[:2000])
        metrics = self._see(line, at_s)
        if metrics is not None:
            self._events.put(Event(at_s=at_s, usage=self._usage(), metrics=metrics))
