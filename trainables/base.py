"""MeasuredTrainable: the contract of a stage, and the order in which Ray's calls go through it.

Knows Ray's Trainable protocol and failures as data. Does not know what is trained, how it is measured
(``progress``, ``telemetry``), nor who reads the figures, and never imports torch itself: a stage that
runs a program of the user's needs none.
"""

from __future__ import annotations

import math
import os
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from foundation.one_line import first_line_of
from foundation.quality_name import label
from trainables.probe import probe
from trainables.progress import TrialProgress
from trainables.ray_tune import without_ray_data
from trainables.resuming import Resuming
from trainables.study_hooks import StudyHooks
from trainables.telemetry import device
from trainables.telemetry.failures import SkippedWorkError, out_of_memory
from trainables.telemetry.instruments import Instruments
from trainables.telemetry.steps import StepTimer
from trainables.trial import EpochCounts, EpochResult, ProbeSpec, TimeUnit, TrialSpec, quality_of
from trainables.trial_account import TrialAccount

with without_ray_data():
    from ray.tune import Trainable


class MeasuredTrainable(Resuming, StudyHooks, TrialAccount, Trainable, ABC):  # type: ignore[misc]  # ray's class is Any to mypy
    """A stage whose every ``train()`` is one epoch, honestly timed; base class for authors.

    Per trial, in this order; times are of the phase named in brackets:

    1. ``build(params, seed, options)`` [set-up]: make model, optimizer and data on the device.
       ``self.num_epochs`` is known by then. Also called for every later trial of a reused process.
    2. ``warm_up()`` [warm-up]: throw-away work in the real shapes, so that the first epoch does not
       pay for what happens once. Must change no state and no private random generator.
    3. ``train_epoch(epoch)`` [train], epoch from 1: train, return the work executed as
       ``EpochCounts``. The only phase in ``time_s``. Never skip work for lack of memory: let the
       error out. Global generators are seeded by (seed, epoch) just before. Optional: call
       ``self.step_timer.mark()`` after every optimizer step (nothing waits), and load data
       ``with self.step_timer.data_wait():``.
    4. ``evaluate()`` [evaluate]: return at least ``{"nrmse": float}``, or the study's own quality figure
       under ``self.quality_name``, its name; change nothing.
    5. ``release()`` when the trial ends or has run out of memory, also after a ``build`` that got
       only half way: drop every tensor.

    A stage that says ``resumable = True`` has two more: ``state_dict()`` [checkpoint] between epochs, and
    ``load_state_dict(state)`` after the warm-up of a trial that goes on where another was lost.

    A stage that says True to ``evaluates_start(options)`` has its untrained start evaluated once a study,
    between the warm-up and the first epoch of the baseline [evaluate].

    A stage that also offers ``time_units()`` can be probed (``trainables.probe``): its epoch times
    and memory are then known in about a second a configuration, without training.

    Before Ray starts, ``check_parameters(options, varying, fixed)`` refuses what cannot work. Before any
    trial, once per study: ``prepare(options)`` makes and caches what all trials share
    (two processes may ask at once), ``describe_device(options)`` says what the figures are
    measured on, ``device_kind(options)`` whether that is ``cuda`` or ``cpu``. What a trial tells a person who
    tries it out (``doctor --try``) is in ``TrialAccount``.

    Out-of-memory errors in ``build``, ``warm_up``, ``train_epoch`` and ``evaluate`` are data: the
    next result has ``status: "oom"`` and ``done``. So is an error that one of them led to
    (``telemetry.failures.is_out_of_memory``). A loss or quality figure that is not finite gives
    ``status: "nan"``, and so does a ``SkippedWorkError``. Every other exception is a bug or a
    broken machine and propagates.

    Attributes:
        quality_invariant_to: Parameters that cannot change the NRMSE beyond rounding, so that a
            study may pool quality over them.
        resumable: Whether a lost trial can continue from its newest checkpoint; if False it starts again.
        pins_cores: Whether a trial on a CPU keeps this process, and all that it starts, to
            ``num_threads`` cores. False for a stage that starts programs which use other cores too.
        num_epochs: Full budget of the current trial.
    """

    quality_invariant_to: ClassVar[tuple[str, ...]] = ()
    pins_cores: ClassVar[bool] = True
    num_epochs: int

    # What an author writes.

    @abstractmethod
    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        """Makes everything a trial needs; ValueError for parameters that make no sense."""

    @abstractmethod
    def warm_up(self) -> None:
        """Runs throw-away work in the shapes of training; changes no state."""

    @abstractmethod
    def train_epoch(self, epoch: int) -> EpochCounts:
        """Trains one epoch (counted from 1) and returns the work executed."""

    @abstractmethod
    def evaluate(self) -> Mapping[str, float]:
        """Measures quality now: ``{self.quality_name: ...}``, a number; NaN where there is no answer."""

    def evaluate_start(self) -> Mapping[str, float]:
        """Measures the untrained start, where ``evaluates_start`` says so. Default: as ``evaluate`` does."""
        return self.evaluate()

    @abstractmethod
    def release(self) -> None:
        """Drops everything ``build`` made; harmless when called twice or after a failed build."""

    def expected_counts(self, epoch: int) -> EpochCounts | None:
        """Returns the work that ``train_epoch(epoch)`` must execute; a difference raises RuntimeError.

        Its loss is not compared. Default: None, nothing is expected.
        """
        return None

    def time_units(self) -> Sequence[TimeUnit]:
        """Returns the pieces of work that make up an epoch, in order, so that ``probe`` can time them.

        Called after ``warm_up``, on a trial that is thrown away. Default: not offered.
        """
        raise NotImplementedError

    @classmethod
    def instruments(cls, device_kind: str) -> Instruments:
        """Returns what measures the trials of this process. Default: what a stage needs that uses torch here.

        Args:
            device_kind: As ``device_kind`` says.
        """
        return Instruments.of_this_process(device_kind)

    @classmethod
    def offers_probe(cls, options: Mapping[str, Any]) -> bool:
        """Whether configurations can be probed. Default: ``time_units`` says what an epoch is made of."""
        return cls.time_units is not MeasuredTrainable.time_units

    @property
    def quality_name(self) -> str:
        """Name of the study's quality figure: ``nrmse``, unless its key ``metric`` names another."""
        return self._spec.quality

    @property
    def step_timer(self) -> StepTimer:
        """The timer with which ``train_epoch`` marks its steps."""
        return self._progress.watch.steps

    @property
    def failure(self) -> EpochResult | None:
        """The reason why the current trial cannot continue; None while it can."""
        return self._failure

    # What Ray calls.

    def setup(self, config: dict[str, Any]) -> None:
        """Starts the first trial of this process; out of memory is reported by the first step."""
        self._allowed_cores = os.sched_getaffinity(0)
        options = config.get("stage", {})
        self._device_name = str(self.describe_device(options).get("name", ""))
        self._instruments = self.instruments(self.device_kind(options))
        self._instruments.meter.reset()
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
        self._instruments.meter.reset()
        self._instruments.meter.require_released()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Trains and evaluates one epoch; see ``docs/stage.md`` for every key of the result.

        Asked to probe, it times all configurations at once and gives ``probe``, a list of them.
        """
        if self._probe is not None:
            return {"probe": self._probed(self._probe), "done": True}
        self._keep_checkpoint()
        epoch_result = self._failure or self._advance()
        self._failure = None if epoch_result.status == "ok" else epoch_result
        return self._progress.result(epoch_result, self.num_epochs, self.quality_name)

    def cleanup(self) -> None:
        """Ends the last trial and gives the process its cores back."""
        self.release()
        self._instruments.close()
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
        spec = self._probe or TrialSpec.parse(config)
        device.require(spec.device, self._device_name)
        if isinstance(spec, TrialSpec):
            self._start(spec)
            self._resume(spec)

    def _probed(self, spec: ProbeSpec) -> list[Any]:
        return list(
            probe(type(self), spec.configs, spec.options, seed=spec.seed, num_threads=spec.num_threads)
        )

    def _start(self, spec: TrialSpec) -> None:
        """Builds and warms up a trial."""
        kind = self.device_kind(spec.options)
        device.use_threads(spec.num_threads, self._allowed_cores, pin=self.pins_cores and kind == "cpu")
        self._spec = spec
        self.num_epochs = spec.num_epochs
        self._progress = TrialProgress(self._instruments, self._device_name)
        self._failure = None
        self._failure = self._infeasible_in(self._build_and_warm_up)

    def _build_and_warm_up(self) -> None:
        spec, clock = self._spec, self._progress.clock
        _seed_global_generators(spec.seed, 0)
        with clock.phase("setup"):
            self.build(spec.params, spec.seed, spec.options)
        with clock.phase("warm_up"):
            self.warm_up()
        if spec.measures_start:
            with clock.phase("evaluate"):
                self._progress.start_nrmse = quality_of(self.evaluate_start(), self.quality_name)

    def _advance(self) -> EpochResult:
        """Trains and evaluates one epoch, and returns its outcome: ok, oom or nan."""
        self._progress.begin_epoch()
        self._quality_now = math.nan
        failure = self._infeasible_in(self._train_and_evaluate)
        if failure is not None:
            return failure
        loss = self._progress.counts.loss
        if not math.isfinite(loss):
            return EpochResult(status="nan", error=f"training loss is {loss}")
        if not math.isfinite(self._quality_now):
            return EpochResult(status="nan", error=f"{label(self.quality_name)} is {self._quality_now}")
        return EpochResult(status="ok", nrmse=self._quality_now)

    def _train_and_evaluate(self) -> None:
        progress = self._progress
        _seed_global_generators(self._spec.seed, progress.epoch)
        with progress.watch.epoch(progress.clock):
            counts = self.train_epoch(progress.epoch)
        progress.finish_epoch(counts)
        if math.isfinite(counts.loss):  # a stage may give up where its loss breaks
            expected = self.expected_counts(progress.epoch)
            if expected is not None:
                counts.require(expected, progress.epoch)
            with progress.clock.phase("evaluate"):
                self._quality_now = quality_of(self.evaluate(), self.quality_name)

    def _infeasible_in(self, work: Callable[[], None]) -> EpochResult | None:
        """Runs ``work``; if memory runs out or work was skipped, frees the trial's memory and says so."""
        status = "oom"
        try:
            message = out_of_memory(work)
        except SkippedWorkError as error:
            status, message = "nan", first_line_of(error)
        if message is None:
            return None
        self._progress.keep_memory()
        self.release()
        self._instruments.meter.reset()
        return EpochResult(status=status, error=message)


def _seed_global_generators(seed: int, epoch: int) -> None:
    """Seeds ``random``, numpy and (where it is loaded) torch for one epoch of one trial.

    The bundled stage draws from generators of its own; a user's stage may not. Seeding afresh for every
    epoch makes a resumed or reused trial draw what an undisturbed one would.
    """
    state = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint32)[0])
    random.seed(state)
    np.random.seed(state)  # the legacy global generator is the one to seed
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(state)
