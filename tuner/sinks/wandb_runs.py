"""A run on W&B: one of its runs a trial, grouped by the run's folder, and a closing one with the report.

Own runs, not Ray's callback, which starts an actor a trial and wants a key (measured: 37 s instead of 9 for 4
trials). What is written is decided here, and written in a process of its own (see `wandb_process`). Offline,
everything is in `wandb/` of the run's folder, where `wandb sync` finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.core.trial import TrialRecord, TrialState
from tuner.errors import TunerError
from tuner.report.result import RunResult
from tuner.sinks.contract import ElsewhereError
from tuner.sinks.facts import facts
from tuner.sinks.per_trial import PerTrial
from tuner.sinks.wandb_process import WandbProcess
from tuner.sinks.wandb_writer import run_id
from tuner.spec import StudySpec

ARTIFACT_FILES = (
    "report.html",
    "certificate.json",
    "result.json",
    "recommended.yaml",
    "trials.csv",
    "study.yaml",
)
"""Of the run's folder, those of them that exist."""


class WandbRuns(PerTrial[str]):
    """Writes to W&B.

    Args:
        mode: `online` or `offline`.
        project: W&B's.
    """

    def __init__(self, mode: str, project: str) -> None:
        super().__init__()
        self._mode, self._project = mode, project

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Starts W&B's process; of a resumed run, trials it has are left as they are.

        Raises:
            TunerError: W&B is not installed.
        """
        self._process = WandbProcess()
        try:
            self._call("start", self._mode, self._project, str(folder))
        except ElsewhereError as error:
            if error.kind in ("ImportError", "ModuleNotFoundError"):
                raise TunerError("wandb is not installed.", "pip install 'distill-tuner[wandb]'.") from error
            raise
        self._study, self._provenance = study, dict(provenance)
        prefix = run_id(folder, "")
        made = (folder / "wandb").glob(f"*run-*-{prefix}*")
        self._begin(study.goal, {path.name.rsplit(prefix, 1)[1] for path in made})

    def _call(self, name: str, *args: Any) -> None:
        try:
            self._process.call(name, *args)
        except Exception:
            self._process.end()  # a sink that has failed is not called again
            raise
        self.notice = self._process.notice

    def _open(self, record: TrialRecord) -> str:
        config = record.config.as_dict() | {"seed": record.seed, "study_hash": self._study.study_hash()}
        self._call("open", record.trial_id, record.purpose.value, config)
        return record.trial_id

    def _log(self, place: str, figures: dict[str, float], epoch: int) -> None:
        self._call("log", place, figures, epoch)

    def _close(self, place: str, record: TrialRecord) -> None:
        """The figures of a trial that did not run to its full budget stay in its curves."""
        summary = facts(record)
        if (values := self._judge.values(record)) is not None:
            summary |= dict(zip((self._study.objective.value, "nrmse"), values, strict=True))
            summary["misses"] = self._judge.misses(record)
        tags = [record.state.value, record.purpose.value, *filter(None, [record.constraint])]
        exit_code = 0 if record.state in (TrialState.COMPLETE, TrialState.STOPPED) else 1
        self._call("close", place, exit_code, summary, tags)

    def finish(self, result: RunResult) -> None:
        """Ends what never ended; a closing run gets the conclusion and, as one artifact, the report."""
        for name in self._open_places:
            self._call("close", name, 1)
        conclusion = result.conclusion
        found, certificate, speedup = conclusion.recommendation, conclusion.certificate, conclusion.speedup
        summary = {
            "status": result.status,
            "conclusion": result.sentence,
            "finish_reason": result.finish_reason,
            "num_trials": len(result.records),
            "speedup": speedup.ratio if speedup else None,
            "speedup_basis": speedup.basis if speedup else None,
            "certificate": certificate.verdict.value if certificate else None,
            "recommended": found.estimate.config.as_dict() if found else None,
        }
        self._call("open", "report", "report", self._provenance)
        self._call("close", "report", 0, summary, [], ARTIFACT_FILES)
        self._call("finish")
        self._process.end()
