"""The name of a study's quality figure, as tuner and stages pass it to each other and texts show it."""

from __future__ import annotations

DEFAULT = "nrmse"
"""The name unless the study has another."""

STAGE_OPTION = "quality_metric"
"""Stage option that holds the name where it is another; a study sets it by its key `metric`."""


def label(name: str) -> str:
    """Returns the name as texts and axes show it."""
    return "NRMSE" if name == DEFAULT else name
