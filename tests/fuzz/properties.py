"""What every target asks: an end within seconds, and mistakes that a person can act on."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

CPU_S = 20
"""CPU seconds after which an input counts as a hang; the slowest takes about one."""

MAX_MESSAGE = 4000
"""Most characters of a message that a person still reads."""

PIECES = [
    *b"[ ] { } : , - 0 -1 -0.0 0.1 1e999 -1e999 1e308 1e-400 .nan NaN -.inf -Infinity null true".split(),
    *(
        b"9" * 400,
        b"9" * 5000,
        b"\0",
        b"\n",
        b"\r\n",
        b"\t",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\x1b[31m",
    ),
    *(b"'", b'"', "\u2028".encode(), "\x85".encode(), "\ud83d\ude00".encode("utf-16", "surrogatepass")),
]
"""Pieces that have broken parsers of every kind."""


def scratch() -> Path:
    """A new folder, in memory where that can be; it goes when this process ends."""
    memory = Path("/dev/shm")  # noqa: S108  # mkdtemp makes the name
    folder = tempfile.mkdtemp(prefix="fuzz-", dir=memory if os.access(memory, os.W_OK) else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class Target(Protocol):
    """One kind of input: a module of this package."""

    SEEDS: list[bytes]
    WORDS: list[bytes]
    check: Callable[[bytes], None]


class HangError(BaseException):
    """An input took too long; no `except Exception` takes it for a mistake of the input."""


@contextmanager
def no_hang() -> Iterator[None]:
    """Raises HangError in the block once it has taken `CPU_S` seconds of this process."""
    before = signal.signal(signal.SIGVTALRM, _raise)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise HangError(f"more than {CPU_S} CPU seconds")


def check_message(message: str, fix: str) -> None:
    """A message says what is wrong and what to do, on a line that a terminal shows as it is."""
    assert message.strip(), "an error without a message"
    assert fix.strip(), f"an error without a fix: {message!r}"
    said = f"{message} Fix: {fix}"
    assert said.isprintable(), f"an error with control characters: {said!r}"
    assert len(said) <= MAX_MESSAGE, f"an error of {len(said)} characters: {said[:200]}"
