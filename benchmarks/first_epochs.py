"""First epochs of configurations, over and over, in a process beside the one that asks.

Knows studies and Ray's Trainable. Does not know what the epochs are compared with.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

from benchmarks.runs import Runs
from trainables.consistency.stage import ConsistencyStage
from tuner.core.config import TrialConfig
from tuner.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What a first epoch took.

    Attributes:
        own_s: Seconds as far as others had no part in it: process CPU seconds on one thread of a CPU, where
            training neither sleeps nor waits; synchronised wall seconds on a card.
        peak_gib: Its peak memory.
    """

    own_s: float
    peak_gib: float


def first_epoch(runs: Runs, study: StudySpec, config: TrialConfig) -> Epoch:
    """Trains it."""
    (result,) = runs.train(config.as_dict(), seed=study.seed, num_epochs=study.stage.num_epochs, stop_after=1)
    on_card = ConsistencyStage.device_kind(study.stage.options) != "cpu"
    return Epoch(own_s=result["time_s" if on_card else "cpu_time_s"], peak_gib=result["peak_memory_gib"])


class FirstEpochs:
    """The other process; a context, at whose end it ends.

    Args:
        study: Whose stage and resources it trains with.
    """

    def __init__(self, study: StudySpec) -> None:
        context = multiprocessing.get_context("spawn")
        self._there, child = context.Pipe()
        self._process = context.Process(target=_train_what_is_asked, args=(child, study), daemon=True)

    def __enter__(self) -> FirstEpochs:
        """Starts it, imports and all."""
        self._process.start()
        self._there.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()

    def begin(self, config: TrialConfig) -> None:
        """It trains first epochs of this until ``end``."""
        self._there.send(config)

    def finished(self) -> list[Epoch]:
        """Those that ended since the last time, without waiting."""
        epochs: list[Epoch] = []
        while self._there.poll():
            epochs.append(self._there.recv())
        return epochs

    def end(self) -> None:
        """Waits for the one it is at, which does not count."""
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
