"""What a sink is: somewhere a run is written to besides its own files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.core.trial import TrialRecord
from tuner.report.result import RunResult
from tuner.spec import StudySpec


class Sink(ABC):
    """Takes a run as it goes; called from one thread of its own, and free to raise or to be slow.

    Attributes:
        notice: A line for people, when there is one; said once.
    """

    notice = ""

    @abstractmethod
    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Called once, before anything else: of a resumed run with the folder of its beginning.

        Args:
            study: As resolved.
            provenance: Where the figures come from, as plain JSON values.
            folder: Of the run; exists.
        """

    @abstractmethod
    def show(self, record: TrialRecord) -> None:
        """Called with a trial's newest record; older ones of the trial may have been left out.

        A resumed run shows all its trials again, so the same record may come twice.
        """

    @abstractmethod
    def finish(self, result: RunResult) -> None:
        """Called once, after the run's own files are written and every trial was shown."""


class ElsewhereError(Exception):
    """What was raised in another process, in its words: the type and the message.

    Attributes:
        kind: The name of the type.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
