"""The stage, seen from the driver: imported by its `module:Class` name, described and prepared on a worker.

Knows the class methods every stage has (`describe_device`, `prepare`), not what they do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray import cloudpickle, tune

from foundation.one_line import first_line, one_line
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.errors import StageError, split_fix
from tuner.ray_adapter.failures import MAX_REASON, failure_text
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.on_worker import call, class_says, load_stage
from tuner.ray_adapter.place import Place
from tuner.ray_adapter.silence import PATIENCE, CountedTime
from tuner.ray_adapter.source import plugin_files
from tuner.ray_adapter.supervision import LeftBehindError, dead_process, ray_died, supervised
from tuner.report.notices import call_line


def check_parameters(study: StudySpec) -> None:
    """Makes the stage refuse parameters, and cards, that it cannot use; asks for no Ray.

    Raises:
        StageError: The stage cannot be imported or pickled, or a parameter or the number of cards makes no
            sense to it.
    """
    stage = load_stage(study.stage.class_path)
    _check_pickled(study.stage.class_path, stage)
    if study.resources.gpus > 1:
        _check_gpus(study, stage)
    if not hasattr(stage, "check_parameters"):
        return
    varying, fixed = study.varying_and_fixed()
    try:
        stage.check_parameters(dict(study.stage.options), varying, fixed)
    except ValueError as error:
        raise mistake_of(study, str(error)) from error


def _check_pickled(class_path: str, stage: type[tune.Trainable]) -> None:
    """Fails now if the class cannot be sent to a worker, and not when the first trial starts."""
    try:
        cloudpickle.dumps(stage)
    except Exception as error:  # whatever the class refers to may raise
        said = first_line(f"{type(error).__name__}: {error}", MAX_REASON).rstrip(".")
        raise StageError(
            f"the stage {class_path!r} cannot be sent to a worker: {said}.",
            "define the class at the top of its module, and let it refer to nothing that cannot be pickled.",
        ) from error


def _check_gpus(study: StudySpec, stage: type[tune.Trainable]) -> None:
    wanted = f"{study.path}: resources.gpus={study.resources.gpus}, but"
    if not getattr(stage, "starts_own_ranks", False):
        raise StageError(
            f"{wanted} a trial of {study.stage.class_path} uses one card.",
            "leave resources.gpus out; a script that starts its own ranks (torchrun) can use more.",
        )
    if not may_use_card(study):
        raise StageError(f"{wanted} the stage uses none (device: cpu).", "leave out one of the two.")


def may_use_card(study: StudySpec) -> bool:
    """Whether a trial needs a card if the cluster has one; a stage that does not say may."""
    stage = load_stage(study.stage.class_path)
    return not hasattr(stage, "may_use_card") or bool(stage.may_use_card(dict(study.stage.options)))


def evaluates_start(study: StudySpec) -> bool:
    """Whether a trial can measure the NRMSE of its untrained start; a stage that does not say cannot."""
    stage = load_stage(study.stage.class_path)
    return hasattr(stage, "evaluates_start") and bool(stage.evaluates_start(dict(study.stage.options)))


def mistake_of(study: StudySpec, said: str) -> StageError:
    """Returns the error for what a stage says is wrong with its options."""
    message, hint = (one_line(part, MAX_REASON) for part in split_fix(said))
    return StageError(f"{study.path}: {message}", hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is done while the stage does not answer.

    Attributes:
        say: Takes a line that people see.
        word_s: Seconds after which it gets one.
    """

    say: Callable[[str], None] = lambda _: None
    word_s: float = PATIENCE.word_s


_SILENTLY = Waiting()


def describe_device(
    study: StudySpec, interrupts: Interrupts, place: Place, waiting: Waiting = _SILENTLY
) -> dict[str, Any]:
    """The device trials will run on, as the stage describes it on a worker."""
    return dict(_call_on_worker(study, interrupts, place, waiting, "describe_device"))


def describe_stage(
    study: StudySpec,
    device: Mapping[str, Any],
    interrupts: Interrupts,
    place: Place,
    waiting: Waiting = _SILENTLY,
) -> tuple[StageTraits, dict[str, str]]:
    """Returns the properties that the stage states and the device limits, and the stage's source.

    Asked in one call, since on a card every call starts a process of its own.

    Returns:
        The traits, and the source as `fingerprints` gives it.
    """
    class_path, options = study.stage.class_path, dict(study.stage.options)
    said, source = _on_worker(
        study,
        interrupts,
        place,
        waiting,
        "quality_options",
        class_says,
        class_path,
        options,
        plugin_files(study),
    )
    return StageTraits(**said, capacity_gib=capacity_gib(device)), source


def capacity_gib(device: Mapping[str, Any]) -> float | None:
    """Returns the memory in which a trial must fit, in GiB; None on a CPU or if the card does not tell."""
    memory_gib = device["memory_gib"] if device["kind"] == "cuda" else None
    return None if memory_gib is None else float(memory_gib)


def prepare(study: StudySpec, interrupts: Interrupts, place: Place, waiting: Waiting = _SILENTLY) -> None:
    """Makes what all trials share (data, teacher), once, before the first clock starts."""
    _call_on_worker(study, interrupts, place, waiting, "prepare")


def _call_on_worker(
    study: StudySpec, interrupts: Interrupts, place: Place, waiting: Waiting, method: str
) -> Any:
    """Calls a class method of the stage with the study's stage options."""
    stage = study.stage
    arguments = stage.class_path, method, dict(stage.options)
    return _on_worker(study, interrupts, place, waiting, method, call, *arguments)


def _on_worker(
    study: StudySpec,
    interrupts: Interrupts,
    place: Place,
    waiting: Waiting,
    what: str,
    function: Callable[..., Any],
    *arguments: Any,
) -> Any:
    """Calls a function where trials run; on a card, in a process that ends with it.

    A worker that stays would keep memory there, and pass for somebody else's process.
    Ray ends those that are declared with a card, not those that get one by `options`.

    Raises:
        StageError: The stage raised an exception, or did not answer within the hours of the budget.
        ClusterError: Ray died.
        Interrupted: A signal came meanwhile.
    """

    def ask(at_rest: threading.Event) -> Any:
        declared = ray.remote(
            num_cpus=study.resources.cpus,
            num_gpus=place.num_gpus,
            resources=place.resources or None,
            max_retries=study.resources.retries,  # of one that died; what raises or hangs would again
        )
        answer = declared(function).remote(*arguments)
        _wait_for(answer, study, at_rest, waiting, what)
        return ray.get(answer)

    try:
        return supervised(ask, interrupts)
    except LeftBehindError:
        interrupts.check()
        raise ray_died(dead_process()) from None
    except ray.exceptions.RayError as error:
        raise _told(error, study, what) from error


def _told(error: ray.exceptions.RayError, study: StudySpec, what: str) -> StageError:
    """Returns the error for a class method of the stage that a worker could not carry out."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, StageError):  # it cannot be imported there
        return StageError(f"on a worker, {cause.message}", cause.hint)
    if isinstance(cause, ValueError) and split_fix(str(cause))[1]:
        return mistake_of(study, str(cause))
    if isinstance(error, ray.exceptions.WorkerCrashedError):
        said = f"its worker died, each of {1 + study.resources.retries} times"
        fix = "see whether the machine ran out of memory (dmesg), or whether the stage crashes Python."
    else:
        said, fix = failure_text(error).rstrip("."), f"check stage.options in {study.path}."
    return StageError(f"{study.stage.class_path}.{what} failed: {said}.", fix)


def _wait_for(
    answer: ray.ObjectRef, study: StudySpec, at_rest: threading.Event, waiting: Waiting, what: str
) -> None:
    """Waits for a worker's answer; kills the worker once it has taken the hours of the budget.

    Raises:
        LeftBehindError: The event was set meanwhile.
    """
    waited, is_told = CountedTime(PATIENCE.turn_s), False
    while not ray.wait([answer], timeout=0.2)[0]:
        if at_rest.is_set():
            raise LeftBehindError
        waited.turn()
        if not is_told and waited.now_s >= waiting.word_s:
            is_told = True
            waiting.say(call_line(f"{study.stage.class_path}.{what}", waited.now_s))
        if waited.now_s >= study.budget.budget_s:
            ray.cancel(answer, force=True)
            raise StageError(
                f"{study.stage.class_path}.{what} has not ended for {waited.now_s:.0f} s, all of the budget.",
                f"see what it waits for, or raise budget.hours in {study.path}.",
            )
