"""Runs any existing training script as a stage: ``trainables.command:CommandStage``.

Importing the package loads no Ray, which the stage itself needs: whoever only plans a study calls
``check_study``.
"""

from typing import TYPE_CHECKING, Any

from trainables.command.options import CommandOptions
from trainables.command.study_check import check_study

if TYPE_CHECKING:
    from trainables.command.stage import CommandStage

__all__ = ["CommandOptions", "CommandStage", "check_study"]


def __getattr__(name: str) -> Any:
    """Imports the stage where it is asked for."""
    if name == "CommandStage":
        from trainables.command.stage import CommandStage

        return CommandStage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
