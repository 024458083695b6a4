"""The checks that need a card, most valuable first, and how long each may take. Starts nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT = "{limit_s}"
"""A word of a command in whose place the seconds come that the check may take."""

LEAST_S = 5.0
"""A check is not started with fewer seconds than this."""

GRACE_S = 3.0
"""Seconds between SIGTERM and SIGKILL for a check at its limit; kept free within the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check, which runs as a process of its own.

    Attributes:
        name: Its name in the summary, and of the file with its output.
        command: Program and arguments.
        limit_s: Seconds after which it is ended.
        needs_card: Whether it is skipped on a CPU.
    """

    name: str
    command: tuple[str, ...]
    limit_s: float
    needs_card: bool = False

    def words(self, limit_s: float) -> list[str]:
        """Returns the command of a check that may take so many seconds."""
        return [word.replace(LIMIT, f"{limit_s:.0f}") for word in self.command]


def time_for(check: Check, left_s: float) -> float | None:
    """Returns the seconds that a check may take if so many are left; None if they are too few to start it."""
    limit_s = min(check.limit_s, left_s - GRACE_S)
    return limit_s if limit_s >= LEAST_S else None


def all_checks(folder: Path, *, quick: bool) -> list[Check]:
    """Returns the checks in the order in which they run.

    Args:
        folder: Folder for what they keep.
        quick: Whether those whose size is free take a tiny one.
    """
    small = ["--quick"] if quick else []
    study = ["on_a_card.small_study", *small, "--folder", str(folder), "--limit-s", LIMIT]
    return [
        _check("facts", 40, ["on_a_card.facts"]),
        _check("gpu_tests", 120, ["on_a_card.gpu_tests"], needs_card=True),
        _check("stage", 100, ["stage", "--quick"]),
        _check("probe", 80, ["probe", "--quick", "--space", "cpu.yaml"]),
        _check("command_stage", 60, ["on_a_card.command_stage", *small]),
        _check("full_size", 150, ["on_a_card.full_size", *small]),
        _check("study", 180, study),
    ]


def _check(name: str, limit_s: float, words: Sequence[str], *, needs_card: bool = False) -> Check:
    command = (sys.executable, "-m", f"benchmarks.{words[0]}", *words[1:])
    return Check(name=name, command=command, limit_s=limit_s, needs_card=needs_card)
