"""A run that is about to run trials, and how a new one begins: its folder, its study, its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuner.advisor import Advisor
from tuner.core.study import StudySpec
from tuner.runs.basis import PLACE, kept_source, place_of
from tuner.runs.folder import create_run_folder, write_study
from tuner.runs.journal import Journal
from tuner.runs.journaled import write_start


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run that has its folder, its journal and its advisor, and is about to run trials.

    Attributes:
        folder: Folder in which everything is written.
        advisor: Knows all that the journal says.
        journal: Open for more.
        provenance: Provenance of the process that began it.
        elapsed_s: Seconds of the budget that were spent before.
    """

    folder: Path
    advisor: Advisor
    journal: Journal
    provenance: dict[str, Any]
    elapsed_s: float = 0.0


def begin(
    study: StudySpec,
    advisor: Advisor,
    provenance: Mapping[str, Any],
    runs_dir: Path,
    *,
    num_workers: int,
    stage_source: Mapping[str, str] | None = None,
) -> OpenRun:
    """Makes the folder of a new run, its study and its journal.

    Args:
        study: The resolved study.
        advisor: Never asked before.
        provenance: Origin of the figures, see `RunResult`; `started` names the folder.
        runs_dir: Folder in which the run's folder is made.
        num_workers: Trials at once.
        stage_source: Fingerprints of the stage's source files, which the journal alone keeps.

    Raises:
        RecordsError: The disk is full, or not writable.
    """
    own = dict(provenance)
    if advisor.warm_start is not None:
        own["warm_start"] = advisor.warm_start.provenance
    folder = create_run_folder(runs_dir, study.name, datetime.fromisoformat(own["started"]))
    write_study(folder, study)
    journal = Journal(folder / "journal.jsonl")
    kept = own | {PLACE: place_of(folder)} | kept_source(stage_source)
    write_start(journal, study, advisor, kept, num_workers)
    return OpenRun(folder=folder, advisor=advisor, journal=journal, provenance=own)
