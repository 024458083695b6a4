"""A process that is really killed: a fresh one goes on from its last checkpoint as if nothing had been."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.trainables.fresh import PROCESSES
from tests.trainables.killed_trial import run
from trainables.consistency.stage import ConsistencyStage

SAME = ("epoch", "nrmse", "loss", "num_chunks", "num_sample_evals", "num_optimizer_steps", "status")


def facts(result: dict[str, Any]) -> tuple[Any, ...]:
    """Returns the facts that must be bitwise the same."""
    return tuple(result[name] for name in SAME)


def run_trial(config: dict[str, Any], folder: Path, *, code: int, **death: int) -> None:
    """Goes on with the trial in a fresh process, which exits with `code`."""
    process = PROCESSES.Process(target=run, args=(config, str(folder)), kwargs=death)
    process.start()
    process.join(120)
    assert process.exitcode == code


def test_a_trial_killed_within_and_between_epochs_ends_bitwise_as_one_that_was_not(
    trial: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """10 batches an epoch, 4 to a step: 2 steps in epoch 1, 3 in epoch 2; gradients pend after 1 and 3."""
    config = trial(num_epochs=4, accum_steps=4)
    stage = ConsistencyStage(config=config)
    undisturbed = [stage.train() for _ in range(4)]
    stage.stop()
    folder = tmp_path / "checkpoints"
    folder.mkdir()

    run_trial(config, folder, in_step=4, code=-signal.SIGKILL)  # within epoch 2
    assert [path.name for path in folder.glob("epoch-*")] == ["epoch-1"]
    run_trial(config, folder, after_epoch=3, code=-signal.SIGKILL)
    run_trial(config, folder, code=0)
    lines = (folder / "results.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    assert [facts(result) for result in results] == [facts(result) for result in undisturbed]
    assert [result["resumed"] for result in results] == [False, True, True, True]
