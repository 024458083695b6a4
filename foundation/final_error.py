"""Finds in a script's last lines the error that ended it.

Knows Python's tracebacks, those of several ranks among each other included, and the launchers that add one
of their own below the cause. Does not know exit codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from foundation.memory_words import says_out_of_memory

MAX_TEXT = 200
"""Longest text of an error that is reported, in characters."""

_RANK = re.compile(r"(?:\[(?:rank)?\d+\]:? ?|\(\w[^)]{0,60} pid=\d+[^)]{0,60}\) |\d+: )")
_TRACEBACK = "Traceback (most recent call last)"
_CHAINED = (
    "During handling of the above exception",
    "The above exception was the direct cause",
)
_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Interrupt)\b(?:: .*|:?$)")
_ERROR = re.compile(r"(?i)(?:^|[\s\[:])(?:error|fatal|exception)\b[\]:]")
# Launchers, and the ranks that only noticed that another one had gone.
_CONSEQUENCE = re.compile(
    r"ChildFailedError|CalledProcessError|Process(?:Exited|Raised)Exception|SignalException|ncclRemoteError"
    r"|Connection (?:closed by|reset by) (?:remote )?peer|remote process exited|BrokenPipeError"
    r"|DistNetworkError|communicator was aborted|collective operation timeout"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalError:
    """The error that ended a script.

    Attributes:
        text: In one line, at most ``MAX_TEXT`` characters; "" if it printed nothing.
        is_out_of_memory: Whether this error, or one that caused it, says that memory ran out.
    """

    text: str
    is_out_of_memory: bool = False


@dataclass(slots=True)
class _Rank:
    """The state of reading one rank's lines."""

    in_frames: bool = False
    is_chained: bool = False
    last: FinalError | None = field(default=None)


def final_error(lines: Sequence[str]) -> FinalError:
    """Returns the last error in a script's last lines.

    A launcher's report of a failed rank, or a rank's report of a lost peer, counts only if there is no other
    error. Without any exception, the last line that says "error" counts, else the last line.
    """
    errors = list(_errors(lines))
    causes = [e for e in errors if e.is_out_of_memory or not _CONSEQUENCE.search(e.text)]
    if errors:
        return (causes or errors)[-1]
    told = [line for line in lines if _ERROR.search(line)] or [line for line in lines if line.strip()]
    return FinalError(text=_short(told[-1]) if told else "")


def _errors(lines: Sequence[str]) -> Iterator[FinalError]:
    ranks: dict[str, _Rank] = {}
    for line in lines:
        match = _RANK.match(line)
        prefix = match[0] if match else ""
        error = _next_error(line[len(prefix) :], ranks.setdefault(prefix, _Rank()))
        if error is not None:
            yield error


def _next_error(line: str, rank: _Rank) -> FinalError | None:
    """Returns the error that a line reports, if any; keeps track of the traceback that the line may be in."""
    if _TRACEBACK in line:
        rank.in_frames = True
        return None
    if line.startswith(_CHAINED):
        rank.is_chained = True
        return None
    if rank.in_frames and (not line.strip() or line[0] in " \t│╭╰"):
        return None
    ends_traceback, rank.in_frames = rank.in_frames and any(map(str.isalpha, line)), False
    says_memory = says_out_of_memory(line)
    if not (ends_traceback or says_memory or _EXCEPTION.match(line)):
        return None
    led_from = rank.last if rank.is_chained else None
    rank.is_chained = False
    is_memory = says_memory or bool(led_from and led_from.is_out_of_memory)
    rank.last = FinalError(text=_short(line), is_out_of_memory=is_memory)
    return rank.last


def _short(line: str) -> str:
    return line.strip()[:MAX_TEXT]
