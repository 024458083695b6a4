"""A trial that kills itself, the way the kernel does, as a process for tests.

    python -m tests.trainables.killed_trial CONFIG.json FOLDER [--in-step K | --after-epoch K]

Goes on from the last checkpoint in FOLDER, writes one after every epoch and adds the epoch's result to
FOLDER/results.jsonl. Dies in the K-th optimizer step of this process, or after the checkpoint of epoch K.
"""

import argparse
import json
import os
import signal
from pathlib import Path
from typing import Any

from trainables.consistency.stage import ConsistencyStage


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--in-step", type=int, default=0)
    parser.add_argument("--after-epoch", type=int, default=0)
    arguments = parser.parse_args()
    stage = ConsistencyStage(config=json.loads(arguments.config.read_text()))
    checkpoints = sorted(arguments.folder.glob("epoch-*"))
    if checkpoints:
        stage.restore(str(checkpoints[-1]))
    if arguments.in_step:
        die_in_step(stage, arguments.in_step)
    done = False
    while not done:
        result = stage.train()
        epoch, done = result["epoch"], result["done"]
        stage.save(str(arguments.folder / f"epoch-{epoch}"))
        with (arguments.folder / "results.jsonl").open("a") as file:
            file.write(json.dumps(result) + "\n")
        if epoch == arguments.after_epoch:
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


if __name__ == "__main__":
    main()
