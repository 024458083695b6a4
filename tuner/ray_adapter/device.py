"""Finds out what the trials of a study will run on; asks a worker before any of them starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.errors import ClusterError, HardwareMismatchError
from tuner.ray_adapter.cluster import Resources
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.place import Place, choose_accelerator, most_gpus
from tuner.runs.session import Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The device that trials run on.

    Attributes:
        details: Its description by the stage: kind, name, memory_gib ...
        place: The resources that a trial asks Ray for.
        num_workers: Trials at once: as many as find whole GPUs of that kind, one on a CPU, since wall-clock
            is an objective.
        mismatch: The reason why it is not the device that the study was written for; empty if it is.
        traits: Properties that stage and device state of themselves.
        source: Fingerprints of the stage's own source files.
    """

    details: dict[str, Any]
    place: Place
    num_workers: int
    mismatch: str
    traits: StageTraits
    source: dict[str, str]


def look_at_device(
    study: StudySpec, resources: Resources, interrupts: Interrupts, *, say: Say, require_hardware: bool
) -> Device:
    """Asks a worker what device it has.

    Args:
        study: The study that is to run there.
        resources: What the cluster has.
        interrupts: Installed already.
        say: Takes a line if the stage does not answer for long.
        require_hardware: Whether a device that the study was not written for is an error.

    Raises:
        ClusterError: A trial could never start.
        HardwareMismatchError: The study was not written for it, and `require_hardware`.
    """
    import ray  # only now: what the private Ray needs in the environment is set before ray is imported

    from tuner.ray_adapter.stages import Waiting, describe_device, describe_stage, may_use_card

    waiting, nodes = Waiting(say=say), ray.nodes()
    check_resources(study, resources, nodes)
    place, num_workers = choose_place(study, nodes) if may_use_card(study) else (Place(), 1)
    details = describe_device(study, interrupts, place, waiting)
    mismatch = study.hardware.why_not(details) or ""
    if mismatch and require_hardware:
        raise HardwareMismatchError(
            f"{study.path}: {mismatch}.",
            "run it there, choose another --space, or leave out --require-hardware.",
        )
    traits, source = describe_stage(study, details, interrupts, place, waiting)
    return Device(
        details=details,
        place=place,
        num_workers=num_workers,
        mismatch=mismatch,
        traits=traits,
        source=source,
    )


def choose_place(study: StudySpec, nodes: Sequence[Mapping[str, Any]]) -> tuple[Place, int]:
    """Returns what a trial that may use cards asks for, and how many trials run at once.

    Args:
        study: The study; its cards a trial are checked already.
        nodes: The nodes, as `ray.nodes()` lists them.
    """
    num_gpus = study.resources.gpus
    accelerator_type, num_trials = choose_accelerator(study.hardware, nodes, num_gpus)
    if not num_trials:
        return Place(), 1
    return Place(num_gpus=num_gpus, accelerator_type=accelerator_type), num_trials


def check_resources(study: StudySpec, resources: Resources, nodes: Sequence[Mapping[str, Any]]) -> None:
    """Fails when a trial could never start; Ray itself would wait for ever.

    Raises:
        ClusterError: The study wants more CPUs a trial than there are, or more GPUs than any node has.
    """
    if resources.num_cpus < study.resources.cpus:
        raise ClusterError(
            f"the study wants {study.resources.cpus} CPUs a trial; the cluster has {resources.num_cpus}.",
            f"lower resources.cpus in {study.path}.",
        )
    wanted, most = study.resources.gpus, most_gpus(nodes)
    if wanted > max(1, most):
        raise ClusterError(
            f"the study wants {wanted} GPUs a trial, all of one node; no node has more than {most}.",
            f"lower resources.gpus in {study.path}, or run where a node has {wanted}.",
        )
