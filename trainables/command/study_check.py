"""Checks a study of a script as far as that needs no Ray: for those who plan or simulate it.

Starts nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from trainables.command import template
from trainables.command.options import CommandOptions
from trainables.command.parameters import check_parameters


def check_study(options: Mapping[str, Any], varying: Collection[str], fixed: Collection[str]) -> None:
    """Raises ValueError for what would make every trial of the study fail on this machine.

    Args:
        options: The stage's options.
        varying: Parameters with more than one value.
        fixed: Parameters with a single value.
    """
    parsed = CommandOptions.parse(options)
    check_parameters(parsed, varying, fixed)
    template.check_inputs(parsed)
