"""Tells running out of memory, and work that was skipped, from every other failure of a stage.

What means that memory ran out is in ``foundation.memory_errors``.
"""

from __future__ import annotations

from collections.abc import Callable

from foundation.memory_errors import memory_error
from foundation.one_line import first_line_of


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
    """Whether ``error``, or one that led to it, means that memory of the device or host ran out."""
    return memory_error(error, (ScriptError,)) is not None


def out_of_memory(work: Callable[[], object]) -> str | None:
    """Does the work; returns None, or one line if memory ran out. Other errors propagate.

    Nothing of the work is alive afterwards: the error's traceback holds its frames, and they hold the
    tensors.
    """
    try:
        work()
        return None
    except Exception as error:
        cause = memory_error(error, (ScriptError,))
        if cause is None:
            raise
        return first_line_of(cause)
