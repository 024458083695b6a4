"""Sizes at which the whole stage runs in well under a second, and trial dicts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.consistency.options import StageOptions
from trainables.consistency.stage import load_problem
from trainables.consistency.teacher import DistillationProblem

TrialConfig = dict[str, Any]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Sums have one order, so that bitwise comparisons mean something."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Stage options of a tiny problem with a cache of its own."""
    return {
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
        "cache_dir": str(tmp_path_factory.mktemp("cache")),
    }


@pytest.fixture(scope="session")
def problem(tiny: dict[str, Any]) -> DistillationProblem:
    """Returns the tiny problem."""
    return load_problem(StageOptions.parse(tiny))


@pytest.fixture
def trial(tiny: dict[str, Any]) -> Callable[..., TrialConfig]:
    """Makes trial dicts of the tiny problem; keyword arguments replace parameters or keys."""

    def make(*, num_epochs: int = 3, seed: int = 0, **params: int | str) -> TrialConfig:
        base = {"batch_size": 4, "micro_batch": 2, "num_taus": 3, "accum_steps": 1}
        return {
            "params": base | params,
            "seed": seed,
            "num_epochs": num_epochs,
            "stage": tiny,
            "num_threads": 1,
        }

    return make


@pytest.fixture
def checkpoint_dir(tmp_path: Path) -> str:
    """Returns an empty folder for checkpoints."""
    path = tmp_path / "checkpoint"
    path.mkdir()
    return str(path)
