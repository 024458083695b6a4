"""Runs whole trials and single epochs of a stage in this process, one after another, as Ray runs them.

This module drives Ray's Trainable. It does not know what the figures are for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune import Trainable

Params = Mapping[str, Any]


class Runs:
    """Runs the trials of one stage in this process, and reuses the stage object between them.

    Args:
        stage_class: Class of the stage, any ``MeasuredTrainable``.
        options: Options of the stage.
        num_threads: Number of CPU threads that compute.
    """

    def __init__(self, stage_class: type[Trainable], options: Params, num_threads: int = 1) -> None:
        self._class, self._options, self._num_threads = stage_class, options, num_threads
        self._stage: Trainable | None = None

    def start(self, params: Params, *, seed: int, num_epochs: int) -> Trainable:
        """Returns the stage, reset so that it is about to train the first epoch of a trial."""
        config = {
            "params": dict(params),
            "seed": seed,
            "num_epochs": num_epochs,
            "stage": dict(self._options),
            "num_threads": self._num_threads,
        }
        if self._stage is None:
            self._stage = self._class(config=config)
        else:
            self._stage.reset(config)
        return self._stage

    def train(
        self, params: Params, *, seed: int, num_epochs: int, stop_after: int | None = None
    ) -> list[dict[str, Any]]:
        """Trains a trial, or its first ``stop_after`` epochs, and returns the result of every epoch."""
        stage = self.start(params, seed=seed, num_epochs=num_epochs)
        results: list[dict[str, Any]] = []
        while not (results and (results[-1]["done"] or len(results) == stop_after)):
            results.append(stage.train())
        return results

    def stop(self) -> None:
        """Stops the stage and gives its cores back."""
        if self._stage is not None:
            self._stage.stop()
            self._stage = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochTime:
    """The least time that a real epoch of a configuration took.

    Attributes:
        wall_s: Wall-clock seconds, with the device synchronised.
        cpu_s: CPU seconds of the process. On one thread of a CPU, training neither sleeps nor waits, so this
            is the time that the wall clock would show if nobody else used the core.
    """

    wall_s: float = math.inf
    cpu_s: float = math.inf

    def least(self, result: Params) -> EpochTime:
        """Returns the least of this time and the time of another epoch's result, by each clock."""
        return EpochTime(
            wall_s=min(self.wall_s, result["epoch_time_s"]), cpu_s=min(self.cpu_s, result["cpu_time_s"])
        )


def time_epochs(
    runs: Runs, configs: Sequence[Params], *, num_epochs: int, rounds: int, seed: int = 0
) -> list[EpochTime]:
    """Times a real first epoch of each configuration ``rounds`` times, in alternating order.

    A round visits every configuration once, so that other load on the machine affects all of them alike.

    Returns:
        The least time of each configuration, in the order of ``configs``.
    """
    best = [EpochTime()] * len(configs)
    for number in range(rounds):
        order = range(len(configs))
        for i in order if number % 2 == 0 else reversed(order):
            result = runs.train(configs[i], seed=seed, num_epochs=num_epochs, stop_after=1)[0]
            best[i] = best[i].least(result)
    return best
