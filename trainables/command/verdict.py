"""Tells why a script ended: out of memory (with evidence), ended from outside, or at fault itself.

Knows exit codes, and what a rise of the kernel's count of processes that it killed for memory means. Does not
know the stage.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from ray.exceptions import RayActorError

from foundation.final_error import final_error
from trainables.command.objects import MissingKeyError
from trainables.telemetry.failures import MissingMetricError, ScriptError, SkippedWorkError

_CHILD_KILLED = re.compile(r"SIGKILL|[Ss]ignal 9\b|exitcode\s*:\s*-9\b|\bKilled\b")
SCRIPT = "the script"

_FROM_OUTSIDE = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class ScriptLostError(RayActorError):  # type: ignore[misc]  # ray's class is Any to mypy
    """The script was ended by somebody else, so its trial says nothing and may be asked again.

    A RayActorError, since that is how a trial is told to be lost: the script was its worker.
    """

    def __init__(self, message: str) -> None:
        super().__init__(error_msg=message)
        self.args = (message,)


def failure(
    code: int, tail: Sequence[str], num_oom_kills: int, log: str, *, what: str = SCRIPT
) -> Exception | None:
    """Returns the error for a script that ended with ``code``; None if that is 0.

    Args:
        code: Exit code; negative for a signal.
        tail: The last lines of its output.
        num_oom_kills: Processes of this cgroup (else of this machine) that the kernel killed for
            memory while the script ran.
        log: Words that say where its output is.
        what: Words for the script, such as "the evaluation".
    """
    if code == 0:
        return None
    signum = -code if code < 0 else code - 128
    was_killed = signum == signal.SIGKILL or bool(_CHILD_KILLED.search("\n".join(tail)))
    cause = final_error(tail)
    if cause.is_out_of_memory:
        return MemoryError(f"{what} ran out of memory (exit {code}): {cause.text}; {log}")
    if was_killed and num_oom_kills > 0:
        return MemoryError(f"{what} ran out of memory (exit {code}): the kernel killed it; {log}")
    if signum in _FROM_OUTSIDE:
        return ScriptLostError(
            f"{what} was killed by signal {signum}, with no sign that memory ran out; {log}"
        )
    text = cause.text or "it printed nothing"
    return ScriptError(f"{what} failed with exit {code}: {text}; {log}\n{last_lines(tail)}")


def no_metrics(
    reason: str, tail: Sequence[str], log: str, quality: str = "nrmse", *, has_others: bool = False
) -> Exception:
    """Returns the error for a script that ended well, but without what was waited for.

    Args:
        has_others: Whether it reported under other names.
        reason: Says what was waited for, with the fix.
        tail: As for ``failure``.
        log: As for ``failure``.
        quality: Name of the figure that was waited for.
    """
    cause = final_error(tail)
    if cause.is_out_of_memory:
        return MemoryError(f"the script ran out of memory, yet ended with exit 0: {cause.text}; {log}")
    kind = MissingMetricError if has_others else ScriptError
    return kind(f"the script ended without a metric {quality}: {reason} ({log})\n{last_lines(tail)}")


def unusable(error: Exception, log: str, *, what: str = SCRIPT) -> Exception:
    """Returns the error for a script whose output cannot be used, or says that the trial is infeasible."""
    if isinstance(error, MemoryError | SkippedWorkError):
        return type(error)(f"{error}; {log}")
    kind = MissingMetricError if isinstance(error, MissingKeyError) else ScriptError
    return kind(f"{what}'s output cannot be used: {error} ({log})")


def last_lines(tail: Sequence[str]) -> str:
    """Returns the last lines of output, which a failure quotes below its first line."""
    return "\n".join(tail[-20:])
