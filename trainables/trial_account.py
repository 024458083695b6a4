"""What a trial tells a person who checks it: what runs, what was read as what, how memory is measured.

Words only. Does not know who shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Told = list[tuple[str, str]]
"""Pairs of a short name and a text; a text that asks for a change ends in `` Fix: `` and what to do."""


class TrialAccount:
    """Methods that a stage may redefine; they are asked on a trial, also one that has failed.

    Attributes:
        is_tried: Whether a person tries the trial out: it may end as soon as it is certain what is wrong.
    """

    is_tried: bool = False

    @classmethod
    def epochs_to_try(cls, options: Mapping[str, Any], num_epochs: int) -> int:
        """Returns how many epochs a trial is asked to train that is ended after its first report.

        Default: all, so that schedules are those of the study. ``options`` are the stage's own.
        """
        return num_epochs

    @classmethod
    def is_tried_by_probe(cls, options: Mapping[str, Any]) -> bool:
        """Whether a probe of the baseline is tried out, instead of its first epoch. Default: it is not."""
        return False

    def what_runs(self) -> Told:
        """Returns what the trial runs, once it is built. Default: nothing to tell."""
        return []

    def what_was_read(self) -> Told:
        """Returns what has been read so far, and as what. Default: nothing is read."""
        return []

    def what_was_found(self) -> Told:
        """Returns what a probe that was tried out has found. Default: nothing to tell."""
        return []

    def what_is_missing(self) -> str:
        """Returns why there has been no report so far, and the fix. Default: "", it is not known."""
        return ""

    def memory_source(self) -> str:
        """Returns what ``peak_memory_gib`` is the memory of; "" if nobody measured it."""
        kind = self.device_kind(self.config.get("stage", {}))  # type: ignore[attr-defined]  # of the stage
        if kind == "cuda":
            return "what the stage allocated on the card"
        return "of the stage's process, interpreter and libraries included"
