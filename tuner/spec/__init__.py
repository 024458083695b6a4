"""The YAML boundary: a study file in, a resolved `StudySpec` out; a mistake is one message."""

from tuner.spec.hardware import Figure, GuideRow, HardwareProfile
from tuner.spec.load import (
    SpaceInfo,
    list_hardware,
    list_spaces,
    load_hardware,
    load_study,
    study_from_text,
)
from tuner.spec.outputs import OutputSpec
from tuner.spec.study import (
    BudgetSpec,
    ResourceSpec,
    SchedulerSpec,
    SearchSpec,
    StageSpec,
    StudySpec,
)

__all__ = [
    "BudgetSpec",
    "Figure",
    "GuideRow",
    "HardwareProfile",
    "OutputSpec",
    "ResourceSpec",
    "SchedulerSpec",
    "SearchSpec",
    "SpaceInfo",
    "StageSpec",
    "StudySpec",
    "list_hardware",
    "list_spaces",
    "load_hardware",
    "load_study",
    "study_from_text",
]
