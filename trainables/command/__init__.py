"""Runs any existing training script as a stage: ``trainables.command:CommandStage``."""

from trainables.command.options import CommandOptions
from trainables.command.stage import CommandStage

__all__ = ["CommandOptions", "CommandStage"]
