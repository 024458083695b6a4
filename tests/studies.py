"""Small studies and records for tests; everything goes through the real loader."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import yaml

from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.study import StudySpec
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.spec import load_study, study_from_text

BASELINE = {"batch_size": 6, "micro_batch": 3, "num_taus": 5}
GUIDE = {"batch_size": 12, "micro_batch": 4, "num_taus": 4, "accum_steps": 2}

NO_SINKS = {"optuna": "off", "tensorboard": False, "parquet": False, "wandb": "off"}
"""No output beyond the files of every run: each of these takes a second or more of a process of its own."""


def study_dict(**changes: Any) -> dict[str, Any]:
    """A study of the synthetic stage; `changes` replace top-level keys. Without a certificate and sinks."""
    return {
        "name": "synthetic",
        "hardware": "cpu",
        "stage": {
            "class": "tests.stages:SyntheticStage",
            "options": {},
            "num_epochs": 6,
            "num_samples": 2000,
        },
        "parameters": {
            "batch_size": {"values": [4, 6, 8, 12, 16, 24]},
            "micro_batch": {"type": "int", "low": 1, "high": 24},
            "num_taus": {"low": 2, "high": 6},
            "accum_steps": {"values": [1, 2]},
        },
        "constraints": ["micro_batch divides batch_size"],
        "target": "nrmse < 0.095",
        "baseline": BASELINE,
        "guide": GUIDE,
        "budget": {"trials": 12, "hours": 0.05},
        "seed": 0,
        "certificate": {"pairs": 0},
        "outputs": NO_SINKS,
    } | changes


def make_study(**changes: Any) -> StudySpec:
    """`study_dict` through the loader."""
    text = yaml.safe_dump(study_dict(**changes), sort_keys=False)
    return study_from_text(text.encode(), label="test.yaml")


def study_of_two(batch_size: int, stage: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Returns a study of two configurations: the baseline of batch size 1, and another batch size."""
    study = study_dict(
        stage=stage,
        parameters={
            "batch_size": {"values": [1, batch_size]},
            "micro_batch": {"values": [1]},
            "num_taus": {"values": [2]},
        },
        baseline={"batch_size": 1, "micro_batch": 1, "num_taus": 2},
        **changes,
    )
    del study["guide"]
    return study


def shipped(name: str) -> StudySpec:
    """A shipped study, of which a run is written nowhere else: others test the sinks."""
    return replace(load_study(name), outputs=make_study().outputs)


def make_record(
    trial_id: str = "0001",
    *,
    config: TrialConfig | None = None,
    curve: Sequence[float] = (0.1, 0.09),
    epoch_time_s: float = 1.0,
    num_epochs: int = 2,
    state: TrialState = TrialState.COMPLETE,
    purpose: Purpose = Purpose.SEARCH,
    resumed: bool = False,
    reason: str = "",
) -> TrialRecord:
    """A trial that reported `curve`, each epoch taking `epoch_time_s`."""
    return TrialRecord(
        trial_id=trial_id,
        config=config or TrialConfig(**BASELINE),
        seed=0,
        num_epochs=num_epochs,
        purpose=purpose,
        state=state,
        reason=reason,
        measurements=tuple(
            report(epoch, nrmse, epoch * epoch_time_s, epoch_time_s, resumed=resumed)
            for epoch, nrmse in enumerate(curve, start=1)
        ),
    )


def report(epoch: int, nrmse: float, time_s: float, epoch_time_s: float = 1.0, **more: Any) -> Measurement:
    """A report of an epoch that went well, unless `more` says otherwise."""
    fields = {"status": Status.OK, "peak_memory_gib": 0.25} | more
    return Measurement(epoch=epoch, nrmse=nrmse, time_s=time_s, epoch_time_s=epoch_time_s, **fields)
