"""A run on W&B: one of its runs a trial, grouped by the run's folder, and a closing one with the report.

Own runs, not Ray's callback, which starts an actor a trial and wants a key (measured: 37 s instead of 9 for 4
trials). Offline, everything is in `wandb/` of the run's folder, where `wandb sync` finds it.

Which runs were written to their end is kept beside them. Any other may have been left half-written by a
process that was killed, and is written anew: offline its files are replaced, and online W&B itself replaces a
run whose id comes again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from foundation.one_line import first_line
from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord, TrialState
from tuner.errors import TunerError
from tuner.report.conclusion import sentence, speedup_basis
from tuner.runs.result import RunResult
from tuner.sinks.facts import facts
from tuner.sinks.per_trial import PerTrial

ARTIFACT_FILES = (
    "report.html",
    "certificate.json",
    "result.json",
    "recommended.yaml",
    "trials.csv",
    "study.yaml",
)
"""Names of the run folder's files that are uploaded, if they exist."""

CLOSED_NAME = ".closed"
"""File in `wandb/`: a line for each run that was written to its end, the mode and the name."""

INIT_TIMEOUT_S, FINISH_TIMEOUT_S = 12.0, 10.0
"""Seconds that W&B may wait for its server; what was not sent then stays on disk."""

OFFLINE = "offline"

Run = Any
"""A run of W&B."""


def run_id(folder: Path, name: str) -> str:
    """Unique in a project, of a run's folder and one of its trials; W&B takes 128 characters."""
    return f"{folder.name[-100:]}-{name}"


class WandbRuns(PerTrial[Run]):
    """Writes a run to W&B.

    Args:
        mode: `online` or `offline`.
        project: W&B's.
    """

    def __init__(self, mode: str, project: str) -> None:
        super().__init__()
        self._mode, self._project = mode, project
        self._has_begun = False

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Imports W&B; what was written to its end is left as it is, and online, what was written online.

        Raises:
            TunerError: W&B is not installed.
        """
        self._wandb = _imported()
        self._settings = self._wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            init_timeout=INIT_TIMEOUT_S,
            finish_timeout=FINISH_TIMEOUT_S,
            x_disable_stats=True,  # of this process; what the trials' workers measured is logged
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_save_requirements=False,
        )
        self._wandb.setup(self._settings)
        self._study, self._provenance, self._folder = study, dict(provenance), folder
        closed = self._closed()
        modes = (OFFLINE, "online") if self._mode == OFFLINE else (self._mode,)
        self._begin(study.goal, {name for mode, name in closed if mode in modes})

    def _open(self, record: TrialRecord) -> Run:
        config = record.config.as_dict() | {"seed": record.seed, "study_hash": self._study.study_hash()}
        return self._begun(record.trial_id, record.purpose.value, config)

    def _log(self, place: Run, figures: dict[str, float], epoch: int) -> None:
        place.log(figures, step=epoch)

    def _close(self, place: Run, record: TrialRecord) -> None:
        """The figures of a trial that did not run to its full budget stay in its curves."""
        summary = facts(record)
        if (values := self._judge.values(record)) is not None:
            names = self._study.objective.value, self._study.metric.name
            summary |= dict(zip(names, values, strict=True))
            summary["misses"] = self._judge.misses(record)
        place.summary.update(summary)
        place.tags = (record.state.value, record.purpose.value, *filter(None, [record.constraint]))
        place.finish(exit_code=0 if record.state in (TrialState.COMPLETE, TrialState.STOPPED) else 1)
        with self._closed_path.open("a") as file:
            file.write(f"{self._mode} {record.trial_id}\n")

    def finish(self, result: RunResult) -> None:
        """Ends what never ended; a closing run gets the conclusion and, as one artifact, the report.

        Of a run that was killed there is no conclusion yet.
        """
        for place in self._open_places:
            place.finish(exit_code=1)
        if result.has_ended:
            self._conclude(result)
        self._wandb.teardown()  # it has written everything then

    def _conclude(self, result: RunResult) -> None:
        conclusion = result.conclusion
        found, certificate, speedup = conclusion.recommendation, conclusion.certificate, conclusion.speedup
        run = self._begun("report", "report", self._provenance)
        run.summary.update(
            {
                "status": result.status,
                "conclusion": sentence(result),
                "finish_reason": result.finish_reason,
                "num_trials": len(result.records),
                "speedup": speedup.ratio if speedup else None,
                "speedup_basis": speedup_basis(speedup) if speedup else None,
                "certificate": certificate.verdict.value if certificate else None,
                "recommended": found.estimate.config.as_dict() if found else None,
            }
        )
        artifact = self._wandb.Artifact(run_id(self._folder, "report"), type="report")
        for path in filter(Path.is_file, map(self._folder.joinpath, ARTIFACT_FILES)):
            artifact.add_file(str(path), policy="immutable", skip_cache=True)
        run.log_artifact(artifact)
        run.finish(exit_code=0)

    def _begun(self, name: str, job_type: str, config: Mapping[str, Any]) -> Run:
        """A new run; all are offline when the server does not answer to the first."""
        try:
            run = self._init(name, job_type, config)
        except self._wandb.Error as error:
            if self._mode == OFFLINE or self._has_begun:
                raise
            self._mode = OFFLINE
            self._wandb.teardown()  # its service keeps the id in use otherwise
            self.notice = f"offline from here on, `wandb sync` sends it later: {first_line(str(error))}"
            run = self._init(name, job_type, config)
        self._has_begun = True
        return run

    def _init(self, name: str, job_type: str, config: Mapping[str, Any]) -> Run:
        self._remove_unfinished(name)
        return self._wandb.init(
            project=self._project,
            group=self._folder.name,
            job_type=job_type,
            id=run_id(self._folder, name),
            name=name,
            config=dict(config),
            dir=str(self._folder),
            mode=cast('Literal["online", "offline"]', self._mode),
            reinit="create_new",
            settings=self._settings,
        )

    def _remove_unfinished(self, name: str) -> None:
        """Removes what an earlier process left of a run in this mode."""
        prefix = "offline-" if self._mode == OFFLINE else ""
        form = re.compile(rf"{prefix}run-\d{{8}}_\d{{6}}-{re.escape(run_id(self._folder, name))}")
        for path in (self._folder / "wandb").glob("*run-*"):
            if form.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)

    @property
    def _closed_path(self) -> Path:
        return self._folder / "wandb" / CLOSED_NAME

    def _closed(self) -> set[tuple[str, str]]:
        """Mode and name of the runs that were written to their end; a torn last line names none."""
        if not self._closed_path.is_file():
            return set()
        lines = self._closed_path.read_text().split("\n")[:-1]
        return {(mode, name) for mode, _, name in (line.partition(" ") for line in lines)}


def _imported() -> Any:
    """W&B, without its reports of its own errors and use, unless the environment says otherwise.

    They are sent offline too, and where nothing answers they hold the end of the process (measured with 0.31:
    22 s).

    Raises:
        TunerError: W&B is not installed.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its settings have no name for it
    try:
        import wandb
    except ImportError as error:
        raise TunerError("wandb is not installed.", "pip install 'distill-tuner[wandb]'.") from error
    _leave_launch_out()
    return wandb


def _leave_launch_out() -> None:
    """Keeps W&B from importing its launcher of jobs at the first run (measured with 0.31: half a second).

    It looks there for inputs that a program has staged, and this process stages none.
    """
    from wandb.sdk.wandb_run import Run as WandbRun

    if hasattr(WandbRun, "_detect_and_apply_job_inputs"):
        WandbRun._detect_and_apply_job_inputs = lambda _: None
