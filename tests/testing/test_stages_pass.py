"""Every shipped stage keeps the contract that users are asked to keep."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import copy_pipeline, study_of_pipeline
from tuner.testing import StageCase, check_stage, stage_clauses

PARAMS = {"batch_size": 8, "micro_batch": 4, "num_taus": 3, "accum_steps": 4}
OTHERS = {"batch_size": 4, "micro_batch": 2, "num_taus": 2, "accum_steps": 1}
TINY = {
    "num_samples": 40,
    "num_eval_trajectories": 3,
    "grid_points": 16,
    "operator_width": 4,
    "operator_depth": 1,
    "operator_steps": 3,
    "teacher_width": 8,
    "teacher_depth": 2,
    "teacher_steps": 5,
    "device": "cpu",
}
TURBULENCE = {"problem": "turbulence2d", "num_samples": 16}


@pytest.mark.parametrize("sizes", [TINY, TINY | TURBULENCE], ids=["burgers", "turbulence2d"])
def test_the_bundled_stage_keeps_the_contract(sizes: dict[str, Any], tmp_path: Path) -> None:
    check_stage(
        "trainables.consistency.stage:ConsistencyStage",
        PARAMS | {"implementation": "fast"},
        sizes | {"cache_dir": str(tmp_path)},
        other_params=OTHERS | {"implementation": "naive"},
        bad_params=[PARAMS | bad for bad in ({"micro_batch": 3}, {"num_taus": 0}, {"learning": 1})],
    )


@pytest.mark.parametrize("check", stage_clauses(), ids=str)
def test_the_synthetic_stage_keeps_the_contract(check: Any) -> None:
    options = {"num_samples": 40, "epoch_time_s": 1e-4, "noise_sd": 0.01}
    check(StageCase(stage="tests.stages:ResumableStage", params=PARAMS, options=options, other_params=OTHERS))


def test_the_command_stage_keeps_the_contract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The stage is used as in the example of a pipeline; what it does not know is a parameter to patch."""
    monkeypatch.chdir(copy_pipeline(tmp_path, num_trajectories=24))
    stage = study_of_pipeline()["stage"]
    lacking = {name: value for name, value in PARAMS.items() if name != "num_taus"}
    check_stage(
        stage["class"],
        PARAMS,
        stage["options"] | {"num_samples": 24, "logs": str(tmp_path), "grace_s": 0.2},
        num_epochs=2,
        other_params=OTHERS,
        bad_params=[lacking],
    )
