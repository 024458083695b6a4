"""The YAML boundary: a study file in, a resolved `StudySpec` out; a mistake is one message."""

from tuner.spec.load import (
    ShippedStudy,
    list_hardware,
    load_hardware,
    load_study,
    shipped_studies,
    study_as_yaml,
    study_from_text,
)

__all__ = [
    "ShippedStudy",
    "list_hardware",
    "load_hardware",
    "load_study",
    "shipped_studies",
    "study_as_yaml",
    "study_from_text",
]
