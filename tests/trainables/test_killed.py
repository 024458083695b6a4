"""A process that is really killed: a fresh one goes on from its last checkpoint as if nothing had been."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.processes import ROOT
from trainables.consistency.stage import ConsistencyStage

SAME = ("epoch", "nrmse", "loss", "num_chunks", "num_sample_evals", "num_optimizer_steps", "status")


def facts(result: dict[str, Any]) -> tuple[Any, ...]:
    """Returns the facts that must be bitwise the same."""
    return tuple(result[name] for name in SAME)


def run_trial(config: Path, folder: Path, *options: str, code: int) -> None:
    """Goes on with the trial in a fresh process, which exits with `code`."""
    command = [sys.executable, "-m", "tests.trainables.killed_trial", str(config), str(folder), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr


def test_a_trial_killed_within_and_between_epochs_ends_bitwise_as_one_that_was_not(
    trial: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """10 batches an epoch, 4 to a step: 2 steps in epoch 1, 3 in epoch 2; gradients pend after 1 and 3."""
    config = trial(num_epochs=4, accum_steps=4)
    stage = ConsistencyStage(config=config)
    undisturbed = [stage.train() for _ in range(4)]
    stage.stop()
    (tmp_path / "config.json").write_text(json.dumps(config))
    folder = tmp_path / "checkpoints"
    folder.mkdir()

    config_path = tmp_path / "config.json"
    run_trial(config_path, folder, "--in-step", "4", code=-signal.SIGKILL)  # within epoch 2
    assert [path.name for path in folder.glob("epoch-*")] == ["epoch-1"]
    run_trial(config_path, folder, "--after-epoch", "3", code=-signal.SIGKILL)
    run_trial(config_path, folder, code=0)
    lines = (folder / "results.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    assert [facts(result) for result in results] == [facts(result) for result in undisturbed]
    assert [result["resumed"] for result in results] == [False, True, True, True]
