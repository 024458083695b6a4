"""What the trials of a study will run on, asked on a worker before any of them starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuner.core.traits import StageTraits
from tuner.errors import ClusterError, HardwareMismatchError
from tuner.ray_adapter.cluster import Resources
from tuner.ray_adapter.interrupts import Interrupts
from tuner.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the trials run on.

    Attributes:
        details: As the stage describes it: kind, name, memory_gib ...
        num_gpus: GPUs a trial, 0 or 1.
        num_workers: Trials at once: one a whole GPU, one on a CPU, since wall-clock is an
            objective.
        mismatch: Why it is not the device the study was written for; empty when it is.
        traits: What stage and device say of themselves.
    """

    details: dict[str, Any]
    num_gpus: int
    num_workers: int
    mismatch: str
    traits: StageTraits


def look_at_device(
    study: StudySpec, resources: Resources, interrupts: Interrupts, *, require_hardware: bool
) -> Device:
    """Asks a worker what it has.

    Raises:
        ClusterError: A trial could never start.
        HardwareMismatchError: The study was not written for it, and `require_hardware`.
    """
    from tuner.ray_adapter.stages import describe_device, describe_traits

    check_resources(study, resources)
    num_gpus = min(1, resources.num_gpus)
    details = describe_device(study, interrupts, num_gpus=num_gpus)
    mismatch = study.hardware.why_not(details) or ""
    if mismatch and require_hardware:
        raise HardwareMismatchError(
            f"{study.path}: {mismatch}.",
            "run it there, choose another --space, or leave out --require-hardware.",
        )
    return Device(
        details=details,
        num_gpus=num_gpus,
        num_workers=max(1, resources.num_gpus),
        mismatch=mismatch,
        traits=describe_traits(study, details, interrupts, num_gpus=num_gpus),
    )


def check_resources(study: StudySpec, resources: Resources) -> None:
    """Fails when a trial could never start; Ray itself would wait for ever.

    Raises:
        ClusterError: The study wants more CPUs a trial than there are.
    """
    if resources.num_cpus < study.resources.cpus:
        raise ClusterError(
            f"the study wants {study.resources.cpus} CPUs a trial; the cluster has {resources.num_cpus}.",
            f"lower resources.cpus in {study.path}.",
        )
