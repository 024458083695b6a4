"""A run for TensorBoard: a folder a trial with its curves by epoch, its parameters, and where it ended.

Readable after the run was killed. A trial that did not run to its full budget has no final figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.core.measurement import Status
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.files import RunResult
from tuner.sinks.contract import Sink
from tuner.sinks.event_file import EventFile
from tuner.sinks.facts import Judge, curves
from tuner.spec import StudySpec

FOLDER_NAME = "tensorboard"


@dataclass(slots=True)
class _Shown:
    """What was written of a trial that runs.

    Attributes:
        file: The trial's.
        epoch: The newest epoch written.
    """

    file: EventFile
    epoch: int = 0


class TensorBoard(Sink):
    """Writes `tensorboard/<trial_id>` in the run's folder."""

    def __init__(self) -> None:
        self._shown: dict[str, _Shown] = {}
        self._ended: set[str] = set()

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Makes the folder."""
        self._study, self._root = study, folder / FOLDER_NAME
        self._judge = Judge(study.goal)
        self._root.mkdir(exist_ok=True)

    def show(self, record: TrialRecord) -> None:
        """Writes epochs that are new, and at its end the trial's parameters and outcome."""
        self._judge.heard(record)
        if record.trial_id in self._ended:
            return
        shown = self._shown.get(record.trial_id)
        if shown is None:
            shown = self._shown[record.trial_id] = _Shown(self._new_file(record.trial_id))
        for measurement in record.measurements:
            if measurement.status is Status.OK and measurement.epoch > shown.epoch:
                shown.file.scalars(curves(measurement), measurement.epoch)
                shown.epoch = measurement.epoch
        if record.state is not TrialState.RUNNING:
            self._end(shown.file, record)

    def _new_file(self, trial_id: str) -> EventFile:
        """An empty one: what a run wrote before it was killed, the resumed one writes again."""
        folder = self._root / trial_id
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        return EventFile(folder)

    def _end(self, file: EventFile, record: TrialRecord) -> None:
        named = [f"final/{self._study.objective.value}", "final/nrmse"]
        if (values := self._judge.values(record)) is not None:
            file.scalars(dict(zip(named, values, strict=True)), record.epoch)
        about = {
            "seed": record.seed,
            "purpose": record.purpose.value,
            "state": record.state.value,
            "reason": record.reason,
            "study": self._study.name,
        }
        is_success = record.state in (TrialState.COMPLETE, TrialState.STOPPED)
        file.hparams(record.config.as_dict() | about, named, is_success=is_success)
        del self._shown[record.trial_id]
        self._ended.add(record.trial_id)

    def finish(self, result: RunResult) -> None:
        """What never ended has its curves already."""
