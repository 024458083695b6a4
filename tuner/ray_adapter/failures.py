"""Interprets the exception of a trial: its worker was lost, memory ran out, or its stage is at fault.

The only place that decides it. A failure while a worker starts arrives as Ray's ActorDiedError with the cause
as text (a traceback with escape codes); it is told by that cause. So is an exception that cannot be read.
"""

from __future__ import annotations

import re
from contextlib import suppress

from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    OwnerDiedError,
    RayActorError,
    RayError,
    WorkerCrashedError,
)

from foundation.final_error import final_error
from foundation.memory_errors import MEMORY_ERRORS, memory_error
from foundation.one_line import first_line, one_line, without_escapes
from tuner.advisor import Ending

MAX_REASON = 500
"""Most characters of a reason that are kept; the whole traceback is in the run's `errors/`."""

_GIVEN_UP = ("UnreleasedMemoryError",)
_LOST = ("ScriptLostError",)
_ELSEWHERE = ("OtherDeviceError",)
_SAYS_IT_ALL = ("ScriptError", "MissingMetricError")
_GENERAL = ("MissingMetricError",)
"""Names of exceptions, since those of a stage live in a package that the tuner does not import."""

_WORKER_DIED = (RayActorError, WorkerCrashedError, LocalRayletDiedError, OwnerDiedError)
_ADDRESS = re.compile(r"^\s*ip: (?P<address>\S+)$", re.MULTILINE)
"""Where Ray says on which machine a worker was."""

_NODE_DIED = re.compile(
    r"\bnode (?:has died|was (?:terminated|preempted))|\bdied by preemption|\bits owner has died"
)
"""Of a node. A worker's owner is this driver, which lives: Ray says so when the driver's node has died."""

_FRAME = '  File "'
_HANDLING = "During handling of the above exception, another exception occurred:"
_IN_RAY = ("in skip_exceptions\n", "in ray._raylet.store_task_errors\n")
"""Where Ray handles an exception, and fails if that cannot be copied."""

_RAISED = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$")


def classify(error: BaseException | None, text: str = "") -> Ending:
    """Returns the ending of a trial that raised `error`.

    Only what a worker's own death explains may be asked again, and counts as a try; a node's death does not.

    Args:
        error: The exception; None if it cannot be read, or if there is none.
        text: What Ray wrote of it, a traceback; empty if the worker died without a word.
    """
    cause = getattr(error, "cause", None) or error
    text = text or _text_of(error)
    if isinstance(cause, NodeDiedError) or (isinstance(cause, _WORKER_DIED) and _NODE_DIED.search(text)):
        return Ending.discarded(f"the node was lost: {first_line(_text_of(cause), MAX_REASON)}")
    if type(cause).__name__ in _LOST or _is_of_a_death(error, cause):
        return _died(_text_of(cause))
    if not text:
        return _died("")
    if cause is None or _is_only_text(cause) or _own_part(text) != text:
        name, said = _last_raised(_own_part(text))
        return _ending(name, said, name in MEMORY_ERRORS or _says_memory(_own_part(text)))
    says_memory = memory_error(cause) is not None or _says_memory(text)
    return _ending(type(cause).__name__, first_line(_text_of(cause), MAX_REASON), says_memory)


def died_on(error: BaseException | None, text: str = "") -> str:
    """Returns the address of the machine on which a trial's worker died without a word; empty if it did not.

    Args:
        error: As for `classify`.
        text: As for `classify`.
    """
    cause = getattr(error, "cause", None) or error
    said = text or _text_of(cause)
    is_of_worker = isinstance(cause, RayActorError) and type(cause).__name__ not in _LOST
    if not is_of_worker or not _is_of_a_death(error, cause) or _NODE_DIED.search(said):
        return ""
    found = _ADDRESS.search(said)
    return found["address"] if found else ""


def failure_text(error: BaseException) -> str:
    """Returns what an error of Ray says of the exception that a worker raised, as one line."""
    cause = getattr(error, "cause", None) or error
    if _is_only_text(cause) and _FRAME in _text_of(error):
        name, said = _last_raised(_own_part(_text_of(error)))
    else:
        name, said = type(cause).__name__, one_line(_text_of(cause), MAX_REASON)
    return f"{name}: {said}" if said else name


def _is_of_a_death(error: BaseException | None, cause: BaseException | None) -> bool:
    """Whether the worker died, for another reason than memory, and raised no exception while it started."""
    is_in_start = isinstance(cause, RayActorError) and cause.actor_init_failed
    if is_in_start or type(cause).__name__ in MEMORY_ERRORS:
        return False
    return isinstance(error, _WORKER_DIED) or isinstance(cause, _WORKER_DIED)


def _is_only_text(cause: BaseException) -> bool:
    """Whether Ray carried a traceback in the place of the exception, which could not be carried itself."""
    return isinstance(cause, RayError) and type(cause).__name__ not in MEMORY_ERRORS


def _own_part(traceback: str) -> str:
    """Returns a traceback without the exceptions that Ray met in its own handling of the stage's."""
    *before, last = traceback.split(_HANDLING)
    is_rays_own = bool(before) and any(words in last for words in _IN_RAY)
    return _own_part(_HANDLING.join(before)) if is_rays_own else traceback


def _died(said: str) -> Ending:
    """Returns the ending of a trial whose worker died. Of one killed by the kernel nobody hears why."""
    said = first_line(said, MAX_REASON) or "no reason was given"
    return Ending.failed(f"the worker was lost: {said}", is_lost=True)


def _ending(name: str, text: str, says_memory: bool) -> Ending:
    if name in _LOST:
        return Ending.failed(f"the worker was lost: {text}", is_lost=True)
    if name in _GIVEN_UP:  # the last trial's memory, not this one's fault
        return Ending.discarded(f"the worker was given up: {text}")
    if name in _ELSEWHERE:
        return Ending.discarded(text, is_elsewhere=True)
    if name in _SAYS_IT_ALL:  # judged where it was raised; its text quotes output
        return Ending.failed(text, is_general=name in _GENERAL)
    if says_memory:
        return Ending.out_of_memory(text)
    return Ending.failed(f"{name}: {text}" if text else name)


def _says_memory(traceback: str) -> bool:
    """Whether the last exception of a traceback, or one that led to it, says that memory ran out."""
    return final_error(_lines(traceback)).is_out_of_memory


def _text_of(error: BaseException | None) -> str:
    """Returns an error's text; an own class may fail to make one."""
    with suppress(Exception):
        return str(error or "")
    return ""


def _lines(text: str) -> list[str]:
    return without_escapes(text).splitlines()


def _last_raised(traceback: str) -> tuple[str, str]:
    """Name and text of the exception at the end of a traceback: the first unindented line after its frames.

    The text of an exception may have lines of its own, indented ones too.
    """
    lines = [line.rstrip() for line in _lines(traceback) if line.strip()]
    frames = [k for k, line in enumerate(lines) if line.startswith(_FRAME)]
    for line in lines[frames[-1] + 1 :] if frames else lines:
        if match := _RAISED.match(line):
            return match["name"].rsplit(".", 1)[-1], one_line(match["text"] or "", MAX_REASON)
    return "Exception", one_line(lines[-1] if lines else "no reason was given", MAX_REASON)
