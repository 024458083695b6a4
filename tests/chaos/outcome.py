"""What a run found, without what a kill may change: ids, moments, and trials that were cut short."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.replay import records_of
from tuner.core.trial import TrialRecord, TrialState
from tuner.runs.journal import read_journal


@dataclass(frozen=True, slots=True)
class Outcome:
    """The trials that were measured, in their order, and what was concluded from them."""

    trials: list[tuple[Any, ...]]
    verdict: dict[str, Any]

    @classmethod
    def of(cls, run: Path) -> Outcome:
        """Reads it from a run's folder."""
        records = records_of(read_journal(run / "journal.jsonl"))
        result = json.loads((run / "result.json").read_text())
        verdict = {key: result[key] for key in ("status", "recommended", "finish_reason")}
        del verdict["recommended"]["trial_id"]
        certificate = run / "certificate.json"
        if certificate.exists():
            checks = json.loads(certificate.read_text())["checks"]
            verdict["certificate"] = {check["key"]: _proved(check) for check in checks}
        return cls([_plain(record) for record in records if not _was_cut_short(record)], verdict)


def _proved(check: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a check found; memory is looked up in the trials that were cut short too."""
    return check["outcome"], {key: value for key, value in check["figures"].items() if key != "num_runs"}


def _was_cut_short(record: TrialRecord) -> bool:
    """Whether a trial was killed, so that it was asked again."""
    return record.state is TrialState.DISCARDED or record.reason.startswith("the worker was lost")


def _plain(record: TrialRecord) -> tuple[Any, ...]:
    curve = [(report.epoch, report.nrmse, report.time_s) for report in record.measurements]
    return (record.config, record.seed, record.purpose, record.state, record.reason, curve)
