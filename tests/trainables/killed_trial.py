"""A trial that kills itself, the way the kernel does, for a process of tests."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import torch

from trainables.consistency.stage import ConsistencyStage


def run(config: dict[str, Any], place: str, *, in_step: int = 0, after_epoch: int = 0) -> None:
    """Goes on from the last checkpoint in a folder, and writes one after every epoch.

    It adds the epoch's result to the folder's results.jsonl. It dies in an optimizer step of this process, or
    after the checkpoint of an epoch, by their numbers from 1; 0 is never.
    """
    torch.set_num_threads(1)
    folder, stage = Path(place), ConsistencyStage(config=config)
    checkpoints = sorted(folder.glob("epoch-*"))
    if checkpoints:
        stage.restore(str(checkpoints[-1]))
    if in_step:
        die_in_step(stage, in_step)
    done = False
    while not done:
        result = stage.train()
        epoch, done = result["epoch"], result["done"]
        stage.save(str(folder / f"epoch-{epoch}"))
        with (folder / "results.jsonl").open("a") as file:
            file.write(json.dumps(result) + "\n")
        if epoch == after_epoch:
            die()


def die_in_step(stage: ConsistencyStage, number: int) -> None:
    """Lets the process die when its ``number``-th optimizer step has moved weights: within an epoch."""
    impl, steps = stage._engine._impl, []
    step = impl.step

    def counted(*arguments: Any) -> None:
        step(*arguments)
        steps.append(1)
        if len(steps) == number:
            die()

    impl.step = counted  # type: ignore[method-assign]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
