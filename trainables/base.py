"""MeasuredTrainable: what is common to all stages, so that a stage is only its training.

Knows Ray's Trainable protocol, clocks, memory, failures as data and checkpoints. Does not know what
is trained, nor who reads the figures, and never imports torch itself: a stage that runs a program
of the user's needs none.
"""

from __future__ import annotations

import math
import os
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ray.tune import Trainable

from trainables.seeding import seed_global_generators
from trainables.telemetry import device
from trainables.telemetry.clock import PhaseClock, synchronizer
from trainables.telemetry.failures import is_out_of_memory
from trainables.telemetry.gpu import gpu_monitor
from trainables.telemetry.memory import memory_meter
from trainables.telemetry.steps import StepTimer
from trainables.telemetry.watch import TrialWatch
from trainables.trial import EpochCounts, Outcome, TimeUnit, TrialSpec

_CHECKPOINT = "trial.pkl"
_CARRIED_PHASES = ("train", "evaluate", "checkpoint")
_COUNTED = ("num_chunks", "num_sample_evals", "num_optimizer_steps")


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
    6. ``state_dict()`` [untimed], between epochs: all that the following epochs depend on.
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
    def describe_device(cls, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What figures are measured on; see ``telemetry.device.describe``."""
        return device.describe(cls.device_kind(options or {}))

    @property
    def step_timer(self) -> StepTimer:
        """Where ``train_epoch`` marks its steps."""
        return self._watch.steps

    @property
    def failure(self) -> Outcome | None:
        """Why the current trial can go no further; None while it can."""
        return self._failure

    # What Ray calls.

    def setup(self, config: dict[str, Any]) -> None:
        """Starts the first trial of this process; out of memory is reported by the first step."""
        self._allowed_cores = os.sched_getaffinity(0)
        spec = TrialSpec.parse(config)
        kind = self.device_kind(spec.options)
        self._meter = memory_meter(kind)
        self._card = gpu_monitor(kind)
        self._meter.reset()
        self._start(spec)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts another trial in this process, as fresh as in a new one.

        Returns:
            True, always.

        Raises:
            RuntimeError: Device memory of the last trial is still held; Ray then gives this
                process up and nobody measures in it again.
        """
        self.release()
        self._meter.reset()
        self._meter.require_released()
        self._start(TrialSpec.parse(new_config))
        return True

    def step(self) -> dict[str, Any]:
        """Trains and evaluates one epoch; see ``docs/stage.md`` for every key of the result."""
        if self._failure is None:
            outcome = self._advance()
            self._failure = None if outcome.status == "ok" else outcome
        else:
            outcome = self._failure
        return self._result(outcome)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes what a resumed trial needs, measured times and counts included."""
        with self._clock.phase("checkpoint"), Path(checkpoint_dir, _CHECKPOINT).open("wb") as file:
            state = {
                "epoch": self._epoch,
                "counts": self._counts,
                "clock": self._clock.state_dict(),
                "watch": self._watch.state_dict(),
                "failure": self._failure,
                "stage": self.state_dict() if self._failure is None else None,
            }
            pickle.dump(state, file)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Resumes; from now on ``resumed`` is True, since the times are of two processes."""
        with Path(checkpoint_dir, _CHECKPOINT).open("rb") as file:
            state = pickle.load(file)  # noqa: S301 - a file this class wrote, for this study
        self._resumed = True
        self._epoch = state["epoch"]
        self._counts = state["counts"]
        self._clock.add(state["clock"], _CARRIED_PHASES)
        self._watch.load_state_dict(state["watch"])
        self._failure = self._failure or state["failure"]
        if self._failure is None:
            self.load_state_dict(state["stage"])

    def cleanup(self) -> None:
        """Ends the last trial and gives the process its cores back."""
        self.release()
        self._card.close()
        os.sched_setaffinity(0, self._allowed_cores)

    # How it is done.

    def _start(self, spec: TrialSpec) -> None:
        """Builds and warms up a trial."""
        kind = self.device_kind(spec.options)
        device.use_threads(spec.num_threads, self._allowed_cores, pin=kind == "cpu")
        self._spec = spec
        self.num_epochs = spec.num_epochs
        self._device_name = str(device.describe(kind)["name"])
        self._clock = PhaseClock(synchronizer(kind))
        self._watch = TrialWatch(self._card, kind)
        self._counts = EpochCounts()
        self._epoch = 0
        self._epoch_time_s = math.nan
        self._peak_gib = 0.0
        self._allocator_at_oom: dict[str, Any] = {}
        self._resumed = False
        self._failure = self._out_of_memory_in(self._build_and_warm_up)

    def _build_and_warm_up(self) -> None:
        spec = self._spec
        seed_global_generators(spec.seed, 0)
        with self._clock.phase("setup"):
            self.build(spec.params, spec.seed, spec.options)
        with self._clock.phase("warm_up"):
            self.warm_up()

    def _advance(self) -> Outcome:
        """One epoch: ok, oom or nan."""
        self._epoch += 1
        self._epoch_time_s = math.nan
        self._metrics: Mapping[str, float] = {}
        failure = self._out_of_memory_in(self._train_and_evaluate)
        if failure is not None:
            return failure
        if not math.isfinite(self._counts.loss):
            return Outcome(status="nan", error=f"training loss is {self._counts.loss}")
        nrmse = float(self._metrics["nrmse"])
        if not math.isfinite(nrmse):
            return Outcome(status="nan", error=f"NRMSE is {nrmse}")
        return Outcome(status="ok", nrmse=nrmse)

    def _train_and_evaluate(self) -> None:
        seed_global_generators(self._spec.seed, self._epoch)
        with self._watch.epoch(self._clock):
            counts = self.train_epoch(self._epoch)
        self._epoch_time_s = self._clock.last("train").wall_s
        self._counts = self._counts.plus(counts)
        if math.isfinite(counts.loss):
            self._require_expected(counts)
            with self._clock.phase("evaluate"):
                self._metrics = self.evaluate()

    def _require_expected(self, counts: EpochCounts) -> None:
        """Raises RuntimeError unless an epoch executed what the stage expects."""
        expected = self.expected_counts(self._epoch)
        for name in _COUNTED if expected is not None else ():
            executed, due = getattr(counts, name), getattr(expected, name)
            if executed != due:
                raise RuntimeError(
                    f"epoch {self._epoch} executed {name}={executed}, its cost mathematics says {due}. "
                    "Fix: train_epoch must do, and count, all the work of expected_counts."
                )

    def _out_of_memory_in(self, work: Callable[[], None]) -> Outcome | None:
        """Runs ``work``; if memory runs out, frees the trial's and returns that as an outcome."""
        try:
            work()
            return None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            message = (str(error).splitlines() or [type(error).__name__])[0]
        # Outside the handler: the error's traceback holds the frames, and they hold the tensors.
        self._peak_gib = self._meter.peak_gib()
        self._allocator_at_oom = self._allocator()
        self.release()
        self._meter.reset()
        return Outcome(status="oom", error=message)

    def _result(self, outcome: Outcome) -> dict[str, Any]:
        """The dict that Ray and the study see."""
        trained = self._clock.total("train")
        return {
            "status": outcome.status,
            "error": outcome.error,
            "epoch": max(1, self._epoch),
            "nrmse": outcome.nrmse,
            "loss": self._counts.loss,
            "time_s": trained.wall_s,
            "epoch_time_s": self._epoch_time_s,
            "setup_time_s": self._clock.total("setup").wall_s,
            "warmup_time_s": self._clock.total("warm_up").wall_s,
            "evaluate_time_s": self._clock.total("evaluate").wall_s,
            "checkpoint_time_s": self._clock.total("checkpoint").wall_s,
            "cpu_time_s": trained.cpu_s,
            "peak_memory_gib": self._peak_memory_gib(),
            **(self._allocator_at_oom or self._allocator()),
            **self._watch.figures(),
            "num_chunks": self._counts.num_chunks,
            "num_sample_evals": self._counts.num_sample_evals,
            "num_optimizer_steps": self._counts.num_optimizer_steps,
            "resumed": self._resumed,
            "device": self._device_name,
            "load_average": os.getloadavg()[0],
            "done": outcome.status != "ok" or self._epoch >= self.num_epochs,
        }

    def _allocator(self) -> dict[str, Any]:
        """What the device's allocator says beside the peak; None on a CPU."""
        return {
            "peak_reserved_gib": self._meter.peak_reserved_gib(),
            "num_alloc_retries": self._meter.num_alloc_retries(),
        }

    def _peak_memory_gib(self) -> float:
        """Peak since the trial started here; after running out, the peak before it was freed."""
        return max(self._peak_gib, self._meter.peak_gib())
