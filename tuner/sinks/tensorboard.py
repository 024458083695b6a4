"""A run for TensorBoard: a folder a trial with its curves by epoch, its parameters, and where it ended.

Readable after the run was killed. A trial that did not run to its full budget has no final figures. Changes
that somebody accepted are said in a text, in a folder beside the trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.changes import changes_caution
from tuner.runs.result import RunResult
from tuner.sinks.event_file import EventFile
from tuner.sinks.per_trial import PerTrial

FOLDER_NAME, CHANGES = "tensorboard", "accepted-changes"


class TensorBoard(PerTrial[EventFile]):
    """Writes `tensorboard/<trial_id>` in the run's folder."""

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Makes the folder of the run."""
        self._study, self._root = study, folder / FOLDER_NAME
        self._begin(study.goal, set())  # what a run wrote before it was killed, the resumed one writes again
        self._root.mkdir(exist_ok=True)
        if caution := changes_caution(provenance):
            self._new(CHANGES).text("accepted changes", caution)

    def _open(self, record: TrialRecord) -> EventFile:
        return self._new(record.trial_id)

    def _new(self, name: str) -> EventFile:
        """Returns the only event file of a folder below that of the run."""
        folder = self._root / name
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        return EventFile(folder)

    def _log(self, place: EventFile, figures: dict[str, float], epoch: int) -> None:
        place.scalars(figures, epoch)

    def _close(self, place: EventFile, record: TrialRecord) -> None:
        named = [f"final/{self._study.objective.value}", f"final/{self._study.metric.name}"]
        if (values := self._judge.values(record)) is not None:
            place.scalars(dict(zip(named, values, strict=True)), record.epoch)
        about = {
            "seed": record.seed,
            "purpose": record.purpose.value,
            "state": record.state.value,
            "reason": record.reason,
            "study": self._study.name,
        }
        is_success = record.state in (TrialState.COMPLETE, TrialState.STOPPED)
        place.hparams(record.config.as_dict() | about, named, is_success=is_success)

    def finish(self, result: RunResult) -> None:
        """Closes the sink; what never ended has its curves already."""
