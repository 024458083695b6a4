"""MeasuredTrainable: the contract of a stage, and the order in which Ray's calls go through it.

Knows Ray's Trainable protocol and failures as data. Does not know what is trained, how it is measured
(``progress``, ``telemetry``), nor who reads the figures, and never imports torch itself: a stage that
runs a program of the user's needs none.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ray.tune import Trainable

from trainables import checkpoint
from trainables.progress import TrialProgress
from trainables.seeding import seed_global_generators
from trainables.telemetry import device
from trainables.telemetry.failures import out_of_memory
from trainables.telemetry.gpu import gpu_monitor
from trainables.telemetry.memory import memory_meter
from trainables.telemetry.steps import StepTimer
from trainables.trial import EpochCounts, Outcome, ProbeSpec, TimeUnit, TrialSpec


class MeasuredTrainable(Trainable, ABC):  # type: ignore[misc]  # ray's class is Any to mypy
    """A stage whose every ``train()`` is one epoch, honestly timed; base class for authors.

    Per trial, in this order; times are of the phase named in brackets:

    1. ``build(params, seed, options)`` [set-up]: make model, optimizer and data on the device.
       ``self.num_epochs`` is known by then. Also called for every later trial of a reused process.
    2. ``warm_up()`` [warm-up]: throw-away work in the real shapes, so that the first epoch does not
       pay for what happens once. Must change no state and no private random generator.
    3. ``load_state_dict(state)``: only if the trial resumes from a checkpoint.
    4. ``train_epoch(epoch)`` [train], epoch from 1: train, return the work executed as
       ``EpochCounts``. The only phase in ``time_s``. Never skip work for lack of memory: let the
       error out. Global generators are seeded by (seed, epoch) just before. Optional: call
       ``self.step_timer.mark()`` after every optimizer step (nothing waits), and load data
       ``with self.step_timer.data_wait():``.
    5. ``evaluate()`` [evaluate]: return at least ``{"nrmse": float}``; change nothing.
    6. ``state_dict()`` [checkpoint], between epochs: all that the following epochs depend on.
    7. ``release()`` when the trial ends or has run out of memory, also after a ``build`` that got
       only half way: drop every tensor.

    A stage that also offers ``time_units()`` can be probed (``trainables.probe``): its epoch times
    and memory are then known in about a second a configuration, without training.

    Before any trial, once per study: ``prepare(options)`` makes and caches what all trials share
    (two processes may ask at once), ``describe_device(options)`` says what the figures are
    measured on, ``device_kind(options)`` whether that is ``cuda`` or ``cpu``.

    Out-of-memory errors in ``build``, ``warm_up``, ``train_epoch`` and ``evaluate`` are data: the
    next result has ``status: "oom"`` and ``done``. A loss or NRMSE that is not finite gives
    ``status: "nan"``. Every other exception is a bug or a broken machine and propagates.

    Attributes:
        quality_invariant_to: Parameters that cannot change the NRMSE beyond rounding, so that a
            study may pool quality over them.
        resumable: Whether trials can be checkpointed; False says that a lost trial starts again.
        num_epochs: Full budget of the current trial.
    """

    quality_invariant_to: ClassVar[tuple[str, ...]] = ()
    resumable: ClassVar[bool] = True
    num_epochs: int
    _failure: Outcome | None

    # What an author writes.

    @abstractmethod
    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        """Makes everything a trial needs; ValueError for parameters that make no sense."""

    @abstractmethod
    def warm_up(self) -> None:
        """Runs throw-away work in the shapes of training; changes no state."""

    @abstractmethod
    def train_epoch(self, epoch: int) -> EpochCounts:
        """Trains one epoch (from 1) and says what was executed."""

    @abstractmethod
    def evaluate(self) -> Mapping[str, float]:
        """Measures quality now: ``{"nrmse": ...}``."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything the following epochs depend on; must pickle."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where ``state_dict`` was taken."""

    @abstractmethod
    def release(self) -> None:
        """Drops everything ``build`` made; harmless when called twice or after a failed build."""

    def expected_counts(self, epoch: int) -> EpochCounts | None:
        """What ``train_epoch(epoch)`` must execute; a difference is a RuntimeError.

        Its loss is not compared. Default: None, nothing is expected.
        """
        return None

    def time_units(self) -> Sequence[TimeUnit]:
        """What an epoch is made of, in order: offered by a stage that ``probe`` can time.

        Called after ``warm_up``, on a trial that is thrown away. Default: not offered.
        """
        raise NotImplementedError

    @classmethod
    def prepare(cls, options: Mapping[str, Any]) -> None:
        """Makes and caches what all trials share. Default: nothing is shared."""

    @classmethod
    def device_kind(cls, options: Mapping[str, Any]) -> str:
        """``cuda`` or ``cpu``: where trials with these options train. Default: ``cpu``."""
        return "cpu"

    @classmethod
    def quality_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as far as the NRMSE depends on them, settled for this machine.

        Two runs that agree in them may learn from each other (``--warm-start``). Default: all, as given.
        """
        return dict(options)

    @classmethod
    def describe_device(cls, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What figures are measured on; see ``telemetry.device.describe``."""
        return device.describe(cls.device_kind(options or {}))

    @property
    def step_timer(self) -> StepTimer:
        """Where ``train_epoch`` marks its steps."""
        return self._progress.watch.steps

    @property
    def failure(self) -> Outcome | None:
        """Why the current trial can go no further; None while it can."""
        return self._failure

    # What Ray calls.

    def setup(self, config: dict[str, Any]) -> None:
        """Starts the first trial of this process; out of memory is reported by the first step."""
        self._allowed_cores = os.sched_getaffinity(0)
        kind = self.device_kind(config.get("stage", {}))
        self._meter = memory_meter(kind)
        self._card = gpu_monitor(kind)
        self._meter.reset()
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts another trial in this process, as fresh as in a new one.

        Returns:
            True, always.

        Raises:
            UnreleasedMemoryError: Device memory of the last trial is still held; Ray then gives this
                process up, nobody measures in it again, and the trial is lost: it is asked again in another.
        """
        self.release()
        self._meter.reset()
        self._meter.require_released()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Trains and evaluates one epoch; see ``docs/stage.md`` for every key of the result.

        Asked to probe, it times all configurations at once and gives ``probe``, a list of them.
        """
        if self._probe is not None:
            return {"probe": self._probed(self._probe), "done": True}
        outcome = self._failure or self._advance()
        self._failure = None if outcome.status == "ok" else outcome
        return self._progress.result(outcome, self.num_epochs)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes what a resumed trial needs, measured times and counts included."""
        with self._progress.clock.phase("checkpoint"):
            stage = self.state_dict() if self._failure is None else None
            state = {"progress": self._progress.state_dict(), "failure": self._failure, "stage": stage}
            checkpoint.write(checkpoint_dir, state)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Resumes; from now on ``resumed`` is True, since the times are of two processes."""
        state = checkpoint.read(checkpoint_dir)
        self._progress.load_state_dict(state["progress"])
        self._failure = self._failure or state["failure"]
        if self._failure is None:
            self.load_state_dict(state["stage"])

    def cleanup(self) -> None:
        """Ends the last trial and gives the process its cores back."""
        self.release()
        self._card.close()
        os.sched_setaffinity(0, self._allowed_cores)

    # How it is done.

    @property
    def _epoch(self) -> int:
        """The epoch under way; a stage that cannot report in between may set it to its last."""
        return self._progress.epoch

    @_epoch.setter
    def _epoch(self, epoch: int) -> None:
        self._progress.epoch = epoch

    def _begin(self, config: Mapping[str, Any]) -> None:
        self._probe = ProbeSpec.parse(config)
        if self._probe is None:
            self._start(TrialSpec.parse(config))

    def _probed(self, spec: ProbeSpec) -> list[Any]:
        from trainables.probe import probe  # it knows this class

        return list(
            probe(type(self), spec.configs, spec.options, seed=spec.seed, num_threads=spec.num_threads)
        )

    def _start(self, spec: TrialSpec) -> None:
        """Builds and warms up a trial."""
        kind = self.device_kind(spec.options)
        device.use_threads(spec.num_threads, self._allowed_cores, pin=kind == "cpu")
        self._spec = spec
        self.num_epochs = spec.num_epochs
        self._progress = TrialProgress(kind, self._card, self._meter)
        self._failure = None
        self._failure = self._out_of_memory_in(self._build_and_warm_up)

    def _build_and_warm_up(self) -> None:
        spec, clock = self._spec, self._progress.clock
        seed_global_generators(spec.seed, 0)
        with clock.phase("setup"):
            self.build(spec.params, spec.seed, spec.options)
        with clock.phase("warm_up"):
            self.warm_up()

    def _advance(self) -> Outcome:
        """One epoch: ok, oom or nan."""
        self._progress.begin_epoch()
        self._metrics: Mapping[str, float] = {}
        failure = self._out_of_memory_in(self._train_and_evaluate)
        if failure is not None:
            return failure
        loss = self._progress.counts.loss
        if not math.isfinite(loss):
            return Outcome(status="nan", error=f"training loss is {loss}")
        nrmse = float(self._metrics["nrmse"])
        if not math.isfinite(nrmse):
            return Outcome(status="nan", error=f"NRMSE is {nrmse}")
        return Outcome(status="ok", nrmse=nrmse)

    def _train_and_evaluate(self) -> None:
        progress = self._progress
        seed_global_generators(self._spec.seed, progress.epoch)
        with progress.watch.epoch(progress.clock):
            counts = self.train_epoch(progress.epoch)
        progress.finish_epoch(counts)
        if math.isfinite(counts.loss):  # a stage may give up where its loss breaks
            expected = self.expected_counts(progress.epoch)
            if expected is not None:
                counts.require(expected, progress.epoch)
            with progress.clock.phase("evaluate"):
                self._metrics = self.evaluate()

    def _out_of_memory_in(self, work: Callable[[], None]) -> Outcome | None:
        """Runs ``work``; if memory runs out, frees the trial's and returns that as an outcome."""
        message = out_of_memory(work)
        if message is None:
            return None
        self._progress.keep_memory()
        self.release()
        self._meter.reset()
        return Outcome(status="oom", error=message)
