"""Tells from an exception, and from what led to it, that memory of the device or host ran out.

Imports no library: a class is known by its name. What a line of text says is in `memory_words`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from foundation.memory_words import says_out_of_memory

MEMORY_ERRORS = frozenset({"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"})
"""Names of classes that say it: of Python, of torch and Ray, of TensorFlow."""


def memory_error(error: BaseException, judged: tuple[type[BaseException], ...] = ()) -> BaseException | None:
    """Returns the error of the chain that says that memory ran out; None if none does.

    Follows `__cause__` and `__context__` as a traceback shows them; chains may be circular.

    Args:
        error: The last of the chain.
        judged: Classes of errors that were judged where they were raised; their words decide nothing.
    """
    return next((e for e in _chain(error, judged) if _is_memory_error(e)), None)


def _chain(error: BaseException, judged: tuple[type[BaseException], ...]) -> Iterator[BaseException]:
    to_see, seen = [error], set[int]()
    while to_see:
        current = to_see.pop()
        if id(current) in seen or isinstance(current, judged):
            continue
        seen.add(id(current))
        yield current
        context = None if current.__suppress_context__ else current.__context__
        to_see += [e for e in (current.__cause__, context) if e is not None]
        if isinstance(current, BaseExceptionGroup):
            to_see += current.exceptions


def _is_memory_error(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & MEMORY_ERRORS or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(says_out_of_memory(line) for line in str(error).splitlines())
