"""Trains first epochs of configurations, over and over, in a process beside the one that asks.

This module knows studies and Ray's Trainable. It does not know what the epochs are compared with.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

from benchmarks.training.runs import Runs
from trainables.consistency.stage import ConsistencyStage
from tuner.core.config import TrialConfig
from tuner.core.study import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The time and memory that a first epoch took.

    Attributes:
        own_s: Seconds without the part of other processes: CPU seconds of the process on one thread of a CPU,
            where training neither sleeps nor waits; synchronised wall-clock seconds on a card.
        peak_gib: Peak memory of the epoch in GiB.
    """

    own_s: float
    peak_gib: float


def first_epoch(runs: Runs, study: StudySpec, config: TrialConfig) -> Epoch:
    """Trains the first epoch of a configuration and returns what it took."""
    (result,) = runs.train(config.as_dict(), seed=study.seed, num_epochs=study.stage.num_epochs, stop_after=1)
    on_card = ConsistencyStage.device_kind(study.stage.options) != "cpu"
    return Epoch(own_s=result["time_s" if on_card else "cpu_time_s"], peak_gib=result["peak_memory_gib"])


class FirstEpochs:
    """A second process that trains first epochs. It is a context manager; the process ends with the context.

    Args:
        study: Study whose stage and resources the process trains with.
    """

    def __init__(self, study: StudySpec) -> None:
        context = multiprocessing.get_context("spawn")
        self._there, child = context.Pipe()
        self._process = context.Process(target=_train_what_is_asked, args=(child, study), daemon=True)

    def __enter__(self) -> FirstEpochs:
        """Starts the process and waits until its imports are done."""
        self._process.start()
        self._there.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()

    def begin(self, config: TrialConfig) -> None:
        """Makes the process train first epochs of this configuration until ``end`` is called."""
        self._there.send(config)

    def finished(self) -> list[Epoch]:
        """Returns the epochs that ended since the last call, without waiting."""
        epochs: list[Epoch] = []
        while self._there.poll():
            epochs.append(self._there.recv())
        return epochs

    def end(self) -> None:
        """Ends the training of the configuration, and discards the epoch in progress."""
        self._there.send(None)
        while self._there.recv() is not None:
            pass


def _train_what_is_asked(asked: Connection, study: StudySpec) -> None:
    runs = Runs(ConsistencyStage, study.stage.options, study.resources.threads)
    asked.send(None)
    while config := asked.recv():
        while not asked.poll():
            asked.send(first_epoch(runs, study, config))
        asked.send(asked.recv())
