"""The study whose runs are killed."""

from __future__ import annotations

from pathlib import Path

from tests.processes import write_study
from tests.studies import NO_SINKS

NUM_EPOCHS = 4


def write_chaos_study(folder: Path, *, epoch_time_s: float, trials: int = 8) -> Path:
    """Writes a study of which every figure is a law's; a trial of its baseline takes four epochs.

    A worker that is killed may count against its trial. None is killed so often here that it does.
    """
    return write_study(
        folder,
        stage={
            "class": "tests.chaos.stage:ExactStage",
            "options": {"epoch_time_s": epoch_time_s},
            "num_epochs": NUM_EPOCHS,
            "num_samples": 2000,
        },
        budget={"trials": trials, "hours": 10},
        resources={"retries": 1000},
        certificate={"pairs": 2},
        outputs=NO_SINKS | {"optuna": "sqlite"},
    )
