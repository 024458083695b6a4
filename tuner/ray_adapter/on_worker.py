"""What a worker does to answer a question to the stage, and no more.

A worker imports the modules of what it is sent. Those of the search and of the report would take it a second
of a core that trials are timed on.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from tuner.core.imports import why_not_imported
from tuner.errors import Interrupted, StageError
from tuner.ray_adapter.source import fingerprints

if TYPE_CHECKING:
    from ray import tune


def load_stage(class_path: str) -> type[tune.Trainable]:
    """Imports the class of a stage.

    Raises:
        StageError: The stage cannot be imported, or is not a Ray Tune Trainable with our class methods.
    """
    module_name, _, class_name = class_path.partition(":")
    try:
        stage = getattr(importlib.import_module(module_name), class_name)
    except Interrupted:
        raise
    except BaseException as error:
        said, fix = why_not_imported(error)
        raise StageError(f"the stage {class_path!r} cannot be imported: {said}.", fix) from error
    from ray.tune import Trainable  # after the stage, which may know how to import it faster

    if not (inspect.isclass(stage) and issubclass(stage, Trainable)):
        raise StageError(
            f"the stage {class_path!r} is not a Ray Tune Trainable.",
            "derive it from trainables.base.MeasuredTrainable.",
        )
    if missing := sorted(getattr(stage, "__abstractmethods__", ())):
        names = ", ".join(f"{name}()" for name in missing)
        raise StageError(f"the stage {class_path!r} lacks {names}.", "write what is missing.")
    return stage


def call(class_path: str, method: str, options: dict[str, Any]) -> Any:
    """Returns what a class method of the stage says to the stage's options."""
    return getattr(load_stage(class_path), method)(options)


def class_says(
    class_path: str, options: dict[str, Any], left_out: Collection[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns the traits of a stage that do not depend on the device, and its source."""
    stage = load_stage(class_path)
    return _class_traits(stage, options), fingerprints(stage, options, left_out)


def _class_traits(stage: type[tune.Trainable], options: dict[str, Any]) -> dict[str, Any]:
    """Returns the properties that a stage states."""
    return {
        "quality_invariant_to": tuple(getattr(stage, "quality_invariant_to", ())),
        "can_probe": hasattr(stage, "offers_probe") and bool(stage.offers_probe(options)),
        "probes_in_proportion": bool(getattr(stage, "probes_in_proportion", False)),
        "quality_options": _quality_options(stage, options),
    }


def _quality_options(stage: type[tune.Trainable], options: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the options as a journal gives them back, so that runs compare alike; None if it has none."""
    if not hasattr(stage, "quality_options"):
        return None
    said: dict[str, Any] = json.loads(json.dumps(stage.quality_options(options), default=str))
    return said
