"""Interprets the exception of a trial: its worker was lost, memory ran out, or its stage is at fault.

The only place that decides it. A failure while a worker starts arrives as Ray's ActorDiedError with the cause
as text (a traceback with escape codes); it is told by that cause.
"""

from __future__ import annotations

import re

from ray.exceptions import LocalRayletDiedError, OwnerDiedError, RayActorError, WorkerCrashedError

from foundation.one_line import first_line, one_line, without_escapes
from tuner.advisor import Ending

MAX_REASON = 500
"""Most characters of a reason that are kept; the whole traceback is in the run's `errors/`."""

_OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError")
_GIVEN_UP = ("UnreleasedMemoryError",)
_LOST = ("ScriptLostError",)
_ELSEWHERE = ("OtherDeviceError",)
_SAYS_IT_ALL = ("ScriptError", "MissingMetricError")
_GENERAL = ("MissingMetricError",)
"""Names of exceptions, since those of a stage live in a package that the tuner does not import."""

_WORKER_DIED = (RayActorError, WorkerCrashedError, LocalRayletDiedError, OwnerDiedError)

_RAISED = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$")


def classify(error: BaseException | None) -> Ending:
    """Returns the ending of a trial that raised `error`; None means that its worker died without a word.

    Only what a worker's own death explains may be asked again.
    """
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, RayActorError) and cause.actor_init_failed:
        return _ending(*_creation_failure(str(cause)))
    if cause is None or isinstance(cause, _WORKER_DIED):
        said = first_line(str(cause or ""), MAX_REASON) or "no reason was given"
        return Ending.failed(f"the worker was lost: {said}", is_lost=True)
    return _ending(type(cause).__name__, first_line(str(cause), MAX_REASON))


def _ending(name: str, text: str) -> Ending:
    if name in _LOST:
        return Ending.failed(f"the worker was lost: {text}", is_lost=True)
    if name in _GIVEN_UP:  # the last trial's memory, not this one's fault
        return Ending.failed(f"the worker was given up: {text}", is_lost=True)
    if name in _ELSEWHERE:
        return Ending.discarded(text)
    if name in _OUT_OF_MEMORY:
        return Ending.out_of_memory(text)
    if name in _SAYS_IT_ALL:
        return Ending.failed(text, is_general=name in _GENERAL)
    return Ending.failed(f"{name}: {text}" if text else name)


def _creation_failure(message: str) -> tuple[str, str]:
    """Name and text of the exception at the end of a traceback: the first unindented line after its frames.

    The text of an exception may have lines of its own, indented ones too.
    """
    lines = [line.rstrip() for line in without_escapes(message).splitlines() if line.strip()]
    frames = [k for k, line in enumerate(lines) if line.startswith('  File "')]
    for line in lines[frames[-1] + 1 :] if frames else lines:
        if match := _RAISED.match(line):
            return match["name"].rsplit(".", 1)[-1], one_line(match["text"] or "", MAX_REASON)
    return "Exception", one_line(lines[-1] if lines else "no reason was given", MAX_REASON)
