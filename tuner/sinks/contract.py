"""Defines a sink: somewhere a run is written to besides its own files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord
from tuner.runs.result import RunResult


class SinkBusyError(Exception):
    """What a sink writes to is held by somebody else for now: the same call may succeed a little later."""


class Sink(ABC):
    """Takes a run as it goes; called in a process of its own, and free to raise or to be slow.

    A call that raises `SinkBusyError` is made again, so that what it has written by then must do no harm.
    A process that was killed may have written a part of the run: what is there already is not written twice.

    Attributes:
        notice: A line for people, when there is one; said once.
    """

    notice = ""

    @abstractmethod
    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Called once, before anything else; the run may be over, resumed, or written already.

        Args:
            study: The resolved study.
            provenance: Origin of the figures, as plain JSON values.
            folder: Folder of the run; exists.
        """

    @abstractmethod
    def show(self, record: TrialRecord) -> None:
        """Called with a trial as it was asked, in the order of asking, and with its newest record afterwards.

        Those in between may be left out. Of two trials the one that ended first comes to its end here first.
        """

    @abstractmethod
    def finish(self, result: RunResult) -> None:
        """Called once, after every trial was shown; if the run has ended, its own files are written by then.

        The result of a run that was killed has not ended (`has_ended`): it may go on.
        """
