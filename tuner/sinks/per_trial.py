"""The part that sinks with a place for every trial share: which epochs are new, and what has ended."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from tuner.core.goal import Goal
from tuner.core.trial import TrialRecord, TrialState
from tuner.sinks.contract import Sink
from tuner.sinks.facts import Judge, curves

Place = TypeVar("Place")


@dataclass(slots=True)
class _Shown(Generic[Place]):
    """The epochs that were written of a running trial.

    Attributes:
        place: The trial's own.
        epoch: The newest epoch written.
    """

    place: Place
    epoch: int = 0


class PerTrial(Sink, Generic[Place]):
    """Writes every epoch of a trial once, and its end; a trial that has ended is left as it is."""

    def __init__(self) -> None:
        self._shown: dict[str, _Shown[Place]] = {}
        self._ended: set[str] = set()

    def _begin(self, goal: Goal, ended: set[str]) -> None:
        """Called by `start`, with the trials that an earlier process wrote to their end."""
        self._judge, self._metric, self._ended = Judge(goal), goal.metric, ended

    def show(self, record: TrialRecord) -> None:
        """Writes epochs that are new, and at its end what became of the trial."""
        self._judge.heard(record)
        if record.trial_id in self._ended:
            return
        shown = self._shown.get(record.trial_id)
        if shown is None:
            shown = self._shown[record.trial_id] = _Shown(self._open(record))
        for measurement in record.measurements:
            if measurement.epoch > shown.epoch and (figures := curves(measurement, self._metric)):
                self._log(shown.place, figures, measurement.epoch)
                shown.epoch = measurement.epoch
        if record.state is not TrialState.RUNNING:
            self._close(shown.place, record)
            del self._shown[record.trial_id]
            self._ended.add(record.trial_id)

    @property
    def _open_places(self) -> list[Place]:
        """Returns the trials that have not ended."""
        return [shown.place for shown in self._shown.values()]

    @abstractmethod
    def _open(self, record: TrialRecord) -> Place:
        """The place of a trial that was never shown."""

    @abstractmethod
    def _log(self, place: Place, figures: dict[str, float], epoch: int) -> None:
        """Writes the figures of an epoch; see `curves`."""

    @abstractmethod
    def _close(self, place: Place, record: TrialRecord) -> None:
        """Writes what became of a trial."""
