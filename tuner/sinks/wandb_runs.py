"""A run on W&B: one of its runs a trial, grouped by the run's folder, and a closing one with the report.

Own runs, not Ray's callback, which starts an actor a trial and wants a key (measured: 37 s instead of 9 for 4
trials). All of them are written by one process (see `apart`) and share W&B's one service. Offline, everything
is in `wandb/` of the run's folder, where `wandb sync` finds it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from tuner.core.trial import TrialRecord, TrialState
from tuner.errors import TunerError
from tuner.report.result import RunResult
from tuner.sinks.facts import facts
from tuner.sinks.per_trial import PerTrial
from tuner.spec import StudySpec

INIT_TIMEOUT_S, FINISH_TIMEOUT_S = 12.0, 10.0
"""How long W&B may wait for its server; what was not sent then stays on disk."""

ARTIFACT_FILES = (
    "report.html",
    "certificate.json",
    "result.json",
    "recommended.yaml",
    "trials.csv",
    "study.yaml",
)
"""Of the run's folder, those of them that exist."""


class WandbRuns(PerTrial[Any]):
    """Writes to W&B.

    Args:
        mode: `online` or `offline`.
        project: W&B's.
    """

    def __init__(self, mode: str, project: str) -> None:
        super().__init__()
        self._mode, self._project = mode, project
        self._has_begun = False

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Imports W&B; of a resumed run, trials it has are left as they are.

        Its reports of its own errors and use are off unless the environment says otherwise: they are sent
        offline too, and where nothing answers they hold the end of the process (measured with 0.31: 22 s).

        Raises:
            TunerError: It is not installed.
        """
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its settings have no name for it
        try:
            import wandb
        except ImportError:
            raise TunerError("wandb is not installed.", "pip install 'distill-tuner[wandb]'.") from None
        self._wandb = wandb
        self._study, self._provenance, self._folder = study, dict(provenance), folder
        self._settings = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            init_timeout=INIT_TIMEOUT_S,
            finish_timeout=FINISH_TIMEOUT_S,
            x_disable_stats=True,  # of the driver; what the trials' workers measured is logged
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_save_requirements=False,
        )
        wandb.setup(self._settings)
        prefix = self._id("")
        made = (folder / "wandb").glob(f"*run-*-{prefix}*")
        self._begin(study.goal, {path.name.rsplit(prefix, 1)[1] for path in made})

    def _open(self, record: TrialRecord) -> Any:
        config = record.config.as_dict() | {"seed": record.seed, "study_hash": self._study.study_hash()}
        return self._init(record.trial_id, record.purpose.value, config)

    def _init(self, name: str, job_type: str, config: Mapping[str, Any]) -> Any:
        """A new run of W&B; all are offline when its server does not answer to the first."""
        try:
            run = self._try_init(name, job_type, config)
        except self._wandb.Error as error:
            if self._mode == "offline" or self._has_begun:
                raise
            self._mode = "offline"
            self._wandb.teardown()  # its service keeps the id in use otherwise
            line = str(error).splitlines()[0]
            self.notice = f"offline from here on, `wandb sync` sends it later: {line}"
            run = self._try_init(name, job_type, config)
        self._has_begun = True
        return run

    def _try_init(self, name: str, job_type: str, config: Mapping[str, Any]) -> Any:
        return self._wandb.init(
            project=self._project,
            group=self._folder.name,
            job_type=job_type,
            id=self._id(name),
            name=name,
            config=dict(config),
            dir=str(self._folder),
            mode=cast('Literal["online", "offline"]', self._mode),
            reinit="create_new",
            settings=self._settings,
        )

    def _id(self, name: str) -> str:
        """Unique in the project; W&B takes 128 characters."""
        return f"{self._folder.name[-100:]}-{name}"

    def _log(self, place: Any, figures: dict[str, float], epoch: int) -> None:
        place.log(figures, step=epoch)

    def _close(self, place: Any, record: TrialRecord) -> None:
        """The figures of a trial that did not run to its full budget stay in its curves."""
        summary = facts(record)
        if (values := self._judge.values(record)) is not None:
            summary |= dict(zip((self._study.objective.value, "nrmse"), values, strict=True))
            summary["misses"] = self._judge.misses(record)
        place.summary.update(summary)
        place.tags = (record.state.value, record.purpose.value, *filter(None, [record.constraint]))
        place.finish(exit_code=0 if record.state in (TrialState.COMPLETE, TrialState.STOPPED) else 1)

    def finish(self, result: RunResult) -> None:
        """Ends what never ended; a closing run gets the conclusion and, as one artifact, the report."""
        for run in self._open_places:
            run.finish(exit_code=1)
        run = self._init("report", "report", self._provenance)
        conclusion = result.conclusion
        found, certificate, speedup = conclusion.recommendation, conclusion.certificate, conclusion.speedup
        run.summary.update(
            {
                "status": result.status,
                "conclusion": result.sentence,
                "finish_reason": result.finish_reason,
                "num_trials": len(result.records),
                "speedup": speedup.ratio if speedup else None,
                "speedup_basis": speedup.basis if speedup else None,
                "certificate": certificate.verdict.value if certificate else None,
                "recommended": found.estimate.config.as_dict() if found else None,
            }
        )
        artifact = self._wandb.Artifact(self._id("report"), type="report")
        for name in ARTIFACT_FILES:
            if (self._folder / name).is_file():
                artifact.add_file(str(self._folder / name), policy="immutable", skip_cache=True)
        run.log_artifact(artifact)
        run.finish(exit_code=0)
        self._wandb.teardown()  # the last is written when its service has ended
