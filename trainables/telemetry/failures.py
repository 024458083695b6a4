"""Tells running out of memory, and work that was skipped, from every other failure of a stage.

An exception is judged by its type, its text and what led to it. Imports no library: a class is known by
its name. What a line of text says is in ``symptoms``.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from foundation.one_line import first_line_of
from trainables.telemetry.symptoms import says_out_of_memory


class ScriptError(RuntimeError):
    """A program of the user failed; the message says why.

    Its cause is judged where it is raised. The message quotes output, whose words decide nothing:
    ``is_out_of_memory`` is False for it.
    """


class MissingMetricError(ScriptError):
    """A program reports, but without a metric under the name that the options give it.

    So it is with every configuration: no other trial need be tried.
    """


class SkippedWorkError(RuntimeError):
    """Training went on without some of its work, so its figures do not describe the configuration."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error``, or one that led to it, means that memory of the device or host ran out.

    Follows ``__cause__`` and ``__context__`` as a traceback shows them.
    """
    return _memory_error(error) is not None


def out_of_memory(work: Callable[[], object]) -> str | None:
    """Does the work; returns None, or one line if memory ran out. Other errors propagate.

    Nothing of the work is alive afterwards: the error's traceback holds its frames, and they hold the
    tensors.
    """
    try:
        work()
        return None
    except Exception as error:
        cause = _memory_error(error)
        if cause is None:
            raise
        return first_line_of(cause)


def _memory_error(error: BaseException) -> BaseException | None:
    """Returns the error of the chain that says that memory ran out; chains may be circular."""
    return next((e for e in _chain(error) if _is_memory_error(e)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    to_see, seen = [error], set[int]()
    while to_see:
        current = to_see.pop()
        if id(current) in seen or isinstance(current, ScriptError):
            continue
        seen.add(id(current))
        yield current
        context = None if current.__suppress_context__ else current.__context__
        to_see += [e for e in (current.__cause__, context) if e is not None]
        if isinstance(current, BaseExceptionGroup):
            to_see += current.exceptions


def _is_memory_error(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"}:
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return any(says_out_of_memory(line) for line in str(error).splitlines())
