"""The probe: how long an epoch takes and how much memory it needs, for many configurations, in seconds.

All configurations are built, timed for a few steps and thrown away in one process, in several rounds,
so that a disturbance of the machine hits all alike. Knows clocks, medians and the contract of
``MeasuredTrainable.time_units``. Does not know what a unit does, nor which configurations are wanted.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from trainables.base import MeasuredTrainable
from trainables.telemetry.clock import synchronizer
from trainables.telemetry.failures import is_out_of_memory
from trainables.telemetry.memory import MemoryMeter, memory_meter
from trainables.trial import TimeUnit

Floats = npt.NDArray[np.float64]

_SCHEDSTAT = Path("/proc/thread-self/schedstat")

NUM_ROUNDS = 3
MIN_SAMPLES = 8
LONG_S = 0.05
"""A unit that takes so long is sampled from its first run on, and once may do."""

MIN_SAMPLE_S = 0.005
"""Shorter units are repeated within a sample: a device is then waited for rarely, as in training."""


class ProbeResult(TypedDict):
    """What is predicted for a configuration; times and memory are NaN when its status is ``oom``.

    Keys:
        params: The configuration, as given.
        status: ``ok``, or ``oom`` when memory ran out.
        epoch_time_s: Training time of an epoch, as ``epoch_time_s`` of a trial.
        peak_memory_gib: Peak up to and including optimizer steps, as ``peak_memory_gib`` of a trial.
        num_steps_timed: Runs of the unit that makes up most of an epoch.
        spread: How far the median of the rounds lies above the least, relative to it; 0 is undisturbed.
    """

    params: dict[str, Any]
    status: str
    epoch_time_s: float
    peak_memory_gib: float
    num_steps_timed: int
    spread: float


def probe(
    stage_class: type[MeasuredTrainable],
    configs: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    *,
    seed: int = 0,
    num_threads: int = 1,
    budget_s_per_config: float = 1.0,
) -> list[ProbeResult]:
    """Predicts epoch time and peak memory of configurations without training any.

    Args:
        stage_class: A stage that offers ``time_units``.
        configs: Parameters of each configuration.
        options: The stage's options; call ``stage_class.prepare(options)`` before, or the first
            configuration pays for it.
        seed: Seed of the throw-away training.
        num_threads: CPU threads of compute, as in the trials.
        budget_s_per_config: Seconds for each configuration, all rounds and set-up together; what
            takes longer is run a minimal number of times.

    Returns:
        One result for each configuration, in their order.

    Raises:
        TypeError: The stage offers no ``time_units``.
        ValueError: Parameters or options that make no sense.
    """
    if stage_class.time_units is MeasuredTrainable.time_units:
        raise TypeError(
            f"{stage_class.__name__} cannot be probed. Fix: override time_units() to say what an epoch "
            "is made of; or measure whole epochs."
        )
    kind = stage_class.device_kind(options)
    bench = _Bench(stage_class, memory_meter(kind), synchronizer(kind))
    base = {"seed": seed, "num_epochs": 1, "stage": dict(options), "num_threads": num_threads}
    tallies = [_Tally() for _ in configs]
    trials = [base | {"params": dict(params)} for params in configs]
    with _warm_process(lambda: bench.discard(trials[:1])):
        for number in range(NUM_ROUNDS):
            visits = list(zip(trials, tallies, strict=True))
            for trial, tally in visits if number % 2 == 0 else reversed(visits):
                if not tally.is_oom:
                    bench.visit(trial, tally, budget_s_per_config / NUM_ROUNDS)
        bench.close()
    return [tally.result(params) for params, tally in zip(configs, tallies, strict=True)]


@dataclass(slots=True, kw_only=True)
class _UnitTally:
    """Samples of one unit of one configuration, by round."""

    per_epoch: float
    rounds: list[list[float]] = field(default_factory=list)
    num_runs: int = 0

    def epoch_times_s(self) -> Floats:
        """Seconds that this unit adds to an epoch, as each round sees it.

        The median, since most of an epoch's runs are like it; not the least, which is 5 to 8 percent
        below what any whole epoch averages.
        """
        return self.per_epoch * np.array([np.median(samples) for samples in self.rounds])


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Everything sampled of one configuration."""

    units: dict[str, _UnitTally] = field(default_factory=dict)
    peak_gib: float = 0.0
    is_oom: bool = False

    def result(self, params: Mapping[str, Any]) -> ProbeResult:
        """The prediction: of the rounds the least, since others who use the machine only add time."""
        if self.is_oom:
            return _out_of_memory(params)
        rounds_s = np.sum([unit.epoch_times_s() for unit in self.units.values()], axis=0)
        main = max(self.units.values(), key=lambda unit: float(unit.epoch_times_s().min()))
        epoch_time_s = float(rounds_s.min())
        return ProbeResult(
            params=dict(params),
            status="ok",
            epoch_time_s=epoch_time_s,
            peak_memory_gib=self.peak_gib,
            num_steps_timed=main.num_runs,
            spread=float(np.median(rounds_s)) / epoch_time_s - 1.0,
        )


class _Bench:
    """One stage object, given configuration after configuration."""

    def __init__(
        self, stage_class: type[MeasuredTrainable], meter: MemoryMeter, synchronize: Callable[[], None]
    ) -> None:
        self._class, self._meter, self._synchronize = stage_class, meter, synchronize
        self._stage: MeasuredTrainable | None = None

    def discard(self, trials: Sequence[dict[str, Any]]) -> None:
        """Builds trials for nothing but what the process does once, such as imports."""
        for trial in trials:
            self._start(trial).release()

    def visit(self, trial: dict[str, Any], tally: _Tally, budget_s: float) -> None:
        """Builds a trial and samples its units until the budget is used; half is always left for that."""
        start = time.perf_counter()
        stage = self._start(trial)
        deadline = max(start + budget_s, time.perf_counter() + 0.5 * budget_s)
        tally.is_oom = stage.failure is not None or _runs_out_of_memory(
            lambda: self._sample_all(stage.time_units(), tally, deadline)
        )
        tally.peak_gib = max(tally.peak_gib, self._meter.peak_gib())
        stage.release()

    def close(self) -> None:
        """Ends the stage."""
        if self._stage is not None:
            self._stage.stop()

    def _start(self, trial: dict[str, Any]) -> MeasuredTrainable:
        if self._stage is None:
            self._stage = self._class(config=trial)
        else:
            self._stage.reset(trial)
        return self._stage

    def _sample_all(self, units: Sequence[TimeUnit], tally: _Tally, deadline: float) -> None:
        """Samples every unit, those that matter more for longer."""
        firsts = [self._first_sample(unit) for unit in units]
        shares = [unit.per_epoch * first for unit, first in zip(units, firsts, strict=True)]
        left_s = max(0.0, deadline - time.perf_counter())
        for unit, first, share in zip(units, firsts, shares, strict=True):
            num_runs = max(1, round(MIN_SAMPLE_S / first))
            samples = [first] if first >= LONG_S else []
            least = 1 if samples else MIN_SAMPLES
            stop = time.perf_counter() + left_s * share / sum(shares)
            while len(samples) < least or time.perf_counter() < stop:
                samples.append(self._sample(unit, num_runs))
            unit_tally = tally.units.setdefault(unit.name, _UnitTally(per_epoch=unit.per_epoch))
            unit_tally.rounds.append(samples)
            unit_tally.num_runs += num_runs * len(samples)

    def _first_sample(self, unit: TimeUnit) -> float:
        """The first run, which pays for what happens once, if that is little; else the second."""
        first = self._sample(unit, 1)
        return first if first >= LONG_S else self._sample(unit, 1)

    def _sample(self, unit: TimeUnit, num_runs: int) -> float:
        """Synchronised seconds of a run, without those in which others had its core."""
        self._synchronize()
        start, stolen_s = time.perf_counter(), _stolen_s()
        for _ in range(num_runs):
            unit.run()
        self._synchronize()
        return (time.perf_counter() - start - (_stolen_s() - stolen_s)) / num_runs


def _stolen_s() -> float:
    """Seconds that this thread has been ready to run and had no core; 0 where Linux does not tell."""
    try:
        fields = _SCHEDSTAT.read_text().split()
    except OSError:
        return 0.0
    return 1e-9 * int(fields[1])


def _out_of_memory(params: Mapping[str, Any]) -> ProbeResult:
    """The result of a configuration that does not fit."""
    return ProbeResult(
        params=dict(params),
        status="oom",
        epoch_time_s=math.nan,
        peak_memory_gib=math.nan,
        num_steps_timed=0,
        spread=math.nan,
    )


def _runs_out_of_memory(work: Callable[[], None]) -> bool:
    """Does the work; True if memory ran out, with nothing of it kept alive."""
    try:
        work()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return True
    return False


@contextmanager
def _warm_process(warm_up: Callable[[], None]) -> Iterator[None]:
    """Runs the body in a process that has imported everything.

    Every build collects garbage; what was imported is kept out of that, or it would cost more than
    the build.
    """
    warm_up()
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
