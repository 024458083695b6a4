"""The stage, seen from the driver: imported by its `module:Class` name, described and prepared on a worker.

Knows the class methods every stage has (`describe_device`, `prepare`), not what they do.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray import tune

from tuner.core.traits import StageTraits
from tuner.errors import StageError
from tuner.ray_adapter.interrupts import Interrupts
from tuner.spec import StudySpec


def load_stage(class_path: str) -> type[tune.Trainable]:
    """Imports a stage.

    Raises:
        StageError: It cannot be imported, or is no Ray Tune Trainable with our class methods.
    """
    module_name, _, class_name = class_path.partition(":")
    try:
        stage = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise StageError(
            f"the stage {class_path!r} cannot be imported: {error}.",
            "install its module, or run from the folder that holds it.",
        ) from error
    if not (inspect.isclass(stage) and issubclass(stage, tune.Trainable)):
        raise StageError(
            f"the stage {class_path!r} is no Ray Tune Trainable.",
            "derive it from trainables.base.MeasuredTrainable.",
        )
    return stage


def describe_device(study: StudySpec, interrupts: Interrupts, *, num_gpus: int) -> dict[str, Any]:
    """The device trials will run on, as the stage describes it on a worker."""
    return dict(_call_on_worker(study, interrupts, "describe_device", num_gpus))


def describe_traits(
    study: StudySpec, device: Mapping[str, Any], interrupts: Interrupts, *, num_gpus: int
) -> StageTraits:
    """What the stage's class says of itself, and what the device limits."""
    class_path, options = study.stage.class_path, dict(study.stage.options)
    said = _on_worker(study, interrupts, num_gpus, "quality_options", _class_traits, class_path, options)
    capacity = float(device["memory_gib"]) if device["kind"] == "cuda" else None
    return StageTraits(**said, capacity_gib=capacity)


def prepare(study: StudySpec, interrupts: Interrupts, *, num_gpus: int) -> None:
    """Makes what all trials share (data, teacher), once, before the first clock starts."""
    _call_on_worker(study, interrupts, "prepare", num_gpus)


def _call_on_worker(study: StudySpec, interrupts: Interrupts, method: str, num_gpus: int) -> Any:
    """Calls a class method of the stage with the study's stage options."""
    stage = study.stage
    return _on_worker(
        study, interrupts, num_gpus, method, _call, stage.class_path, method, dict(stage.options)
    )


def _on_worker(
    study: StudySpec,
    interrupts: Interrupts,
    num_gpus: int,
    what: str,
    function: Callable[..., Any],
    *arguments: Any,
) -> Any:
    """Calls a function where trials run; on a card, in a process that ends with it.

    A worker that stays would keep memory there, and pass for somebody else's process.
    Ray ends those that are declared with a card, not those that get one by `options`.

    Raises:
        StageError: It raised.
        Interrupted: A signal came meanwhile.
    """
    task = ray.remote(num_cpus=study.resources.cpus, num_gpus=num_gpus)(function)
    answer = task.remote(*arguments)
    while not ray.wait([answer], timeout=0.2)[0]:
        interrupts.check()
    try:
        return ray.get(answer)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        raise StageError(
            f"{study.stage.class_path}.{what} failed: {type(cause).__name__}: {cause}",
            f"check stage.options in {study.path}.",
        ) from error


def _call(class_path: str, method: str, options: dict[str, Any]) -> Any:
    return getattr(load_stage(class_path), method)(options)


def _class_traits(class_path: str, options: dict[str, Any]) -> dict[str, Any]:
    """What a stage says of itself; one that redefines `time_units` can be probed."""
    stage = load_stage(class_path)
    units = [vars(base)["time_units"] for base in stage.__mro__ if "time_units" in vars(base)]
    return {
        "quality_invariant_to": tuple(getattr(stage, "quality_invariant_to", ())),
        "can_probe": bool(units) and units[0] is not units[-1],
        "quality_options": _quality_options(stage, options),
    }


def _quality_options(stage: type[tune.Trainable], options: dict[str, Any]) -> dict[str, Any] | None:
    """As a journal will give them back, so that two runs compare alike; None when a stage does not say."""
    if not hasattr(stage, "quality_options"):
        return None
    said: dict[str, Any] = json.loads(json.dumps(stage.quality_options(options), default=str))
    return said
