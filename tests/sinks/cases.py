"""A run for sinks: a trial of every kind, and its result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.studies import make_record, make_study
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.study import StudySpec
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.runs.result import RunResult
from tuner.sinks.contract import Sink

PROVENANCE: Mapping[str, Any] = {
    "device": {"name": "AMD EPYC", "kind": "cpu"},
    "hardware_mismatch": "",
    "seed": 0,
}
FAST = TrialConfig(batch_size=24, micro_batch=24, num_taus=2)
POOR = TrialConfig(batch_size=24, micro_batch=12, num_taus=2)
SLOW = TrialConfig(batch_size=4, micro_batch=1, num_taus=6)
LARGE = TrialConfig(batch_size=24, micro_batch=24, num_taus=6)
OOM = Measurement(
    status=Status.OOM, epoch=1, nrmse=float("nan"), time_s=1.0, epoch_time_s=1.0, error="out of memory"
)


def records() -> list[TrialRecord]:
    """Baseline, a feasible one, one that misses the target; one stopped, infeasible, lost, and running."""
    stopped = make_record("0004", config=SLOW, curve=[0.2], state=TrialState.STOPPED, reason="too slow")
    large = make_record("0005", config=LARGE, curve=[0.2], state=TrialState.RUNNING).observed(OOM)
    return [
        make_record("0001", curve=(0.1, 0.09), epoch_time_s=2.0, purpose=Purpose.BASELINE),
        make_record("0002", config=FAST, curve=(0.1, 0.094), epoch_time_s=0.5),
        make_record("0003", config=POOR, curve=(0.1, 0.097), epoch_time_s=0.4),
        stopped,
        large.ended(TrialState.INFEASIBLE, reason="out of memory", constraint="memory"),
        make_record("0006", config=FAST, curve=[0.1], state=TrialState.FAILED, reason="the worker died"),
        make_record("0007", config=FAST, curve=[0.1], state=TrialState.RUNNING, purpose=Purpose.REPLICATE),
    ]


def a_result(study: StudySpec | None = None) -> RunResult:
    """Returns the result of a run with those records."""
    return RunResult(
        study=study or make_study(),
        records=tuple(records()),
        provenance=PROVENANCE,
        finish_reason="all trials have run",
        admitted={FAST: 0.99},
    )


def play(sink: Sink, folder: Path, study: StudySpec | None = None) -> RunResult:
    """The whole run, in the caller's thread."""
    result = a_result(study)
    folder.mkdir(exist_ok=True)
    sink.start(result.study, PROVENANCE, folder)
    for record in result.records:
        sink.show(record)
    sink.finish(result)
    return result
