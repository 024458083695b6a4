"""The probe: how long an epoch takes and how much memory it needs, for many configurations, in seconds.

All configurations are built, timed for a few steps and thrown away in one process, in two rounds, so
that a disturbance of the machine hits all alike. What is left of the budget goes to those whose rounds
disagree most. Knows clocks, means and the contract of ``MeasuredTrainable.time_units``. Does not know
what a unit does, nor which configurations are wanted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict

import numpy as np

from foundation.arrays import Bools, Floats
from trainables.telemetry.clock import synchronizer
from trainables.telemetry.failures import out_of_memory
from trainables.telemetry.memory import memory_meter
from trainables.telemetry.procfs import THIS_THREAD, run_delay_s
from trainables.trial import TimeUnit

NUM_ROUNDS = 2
"""Rounds of every configuration; a third of the budget is kept for those whose rounds disagree."""

MAX_STANDARD_ERROR = 0.015
"""Rounds of a configuration disagree if the standard error of their mean, relative to it, is above this."""

DISTURBED = 1.3
"""Ratio to the median round above which a round was disturbed, so that it does not count."""

MAX_VISITS = 6
MIN_SAMPLES = 8
LONG_S = 0.05
"""Seconds for which a unit is sampled whatever the budget, unless it has ``MIN_SAMPLES`` samples before.
A unit that takes longer is sampled from its first run on, and one sample may do."""

MIN_SAMPLE_S = 0.005
"""Least seconds of a sample; shorter units are repeated within it, so that waits are rare, as in training."""


class Probeable(Protocol):
    """The methods of a ``MeasuredTrainable`` that the probe needs; each is described there."""

    def __init__(self, config: dict[str, Any]) -> None: ...

    @classmethod
    def offers_probe(cls, options: Mapping[str, Any]) -> bool:
        """Whether the stage can be probed with these options."""

    @classmethod
    def device_kind(cls, options: Mapping[str, Any]) -> str:
        """Returns where the stage trains: ``cuda`` or ``cpu``."""

    @property
    def failure(self) -> object | None:
        """The reason why the trial cannot continue; None while it can."""

    def time_units(self) -> Sequence[TimeUnit]:
        """Returns the pieces of work that make up an epoch."""

    def release(self) -> None:
        """Drops the current trial."""

    def reset(self, new_config: dict[str, Any]) -> object:
        """Starts another trial."""

    def stop(self) -> object:
        """Ends the stage."""


_WARM: set[type[Probeable]] = set()
"""Stages that this process has probed before."""


class ProbeResult(TypedDict):
    """The prediction for a configuration; times and memory are NaN if its status is ``oom``.

    Keys:
        params: The configuration, as given.
        status: ``ok``, or ``oom`` when memory ran out.
        epoch_time_s: Training time of an epoch, as ``epoch_time_s`` of a trial.
        peak_memory_gib: Peak up to and including optimizer steps, as ``peak_memory_gib`` of a trial.
        num_steps_timed: Timed runs of the unit that makes up most of an epoch.
        standard_error: Relative standard error of the mean of the undisturbed rounds: how well they agree.
            Infinite if there is a single one.
    """

    params: dict[str, Any]
    status: str
    epoch_time_s: float
    peak_memory_gib: float
    num_steps_timed: int
    standard_error: float


def probe(
    stage_class: type[Probeable],
    configs: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    *,
    seed: int = 0,
    num_threads: int = 1,
    budget_s_per_config: float = 1.0,
) -> list[ProbeResult]:
    """Predicts epoch time and peak memory of configurations without training any.

    Returns when all are done. Where the process may be lost, as to the kernel when memory of the host
    runs out, call it for a few configurations at a time: only the first call in a process has imports and
    the like to pay for.

    Args:
        stage_class: A stage that offers ``time_units``.
        configs: Parameters of each configuration.
        options: The stage's options; call ``stage_class.prepare(options)`` before, or the first
            configuration pays for it.
        seed: Seed of the throw-away training.
        num_threads: CPU threads of compute, as in the trials.
        budget_s_per_config: Seconds for each configuration, on average, all rounds and set-up together;
            what takes longer is run a minimal number of times.

    Returns:
        One result for each configuration, in their order.

    Raises:
        TypeError: The stage offers no ``time_units``.
        ValueError: Parameters or options that make no sense.
    """
    if not stage_class.offers_probe(options):
        raise TypeError(
            f"{stage_class.__name__} cannot be probed. Fix: override time_units() to say what an epoch "
            "is made of; or measure whole epochs."
        )
    base = {"seed": seed, "num_epochs": 1, "stage": dict(options), "num_threads": num_threads}
    tallies = [_Tally(trial=base | {"params": dict(params)}) for params in configs]
    visit_s = budget_s_per_config / (NUM_ROUNDS + 1)
    with closing(_Bench(stage_class, stage_class.device_kind(options))) as bench:
        bench.warm_process(tallies)
        deadline = time.perf_counter() + budget_s_per_config * len(tallies)
        for number in range(NUM_ROUNDS):
            for tally in tallies if number % 2 == 0 else reversed(tallies):
                bench.visit(tally, visit_s)
        while time.perf_counter() < deadline and (unsure := _least_sure(tallies)):
            bench.visit(unsure, visit_s)
    return [tally.result() for tally in tallies]


@dataclass(slots=True, kw_only=True)
class _UnitTally:
    """The samples of one unit of one configuration, by round."""

    per_epoch: float
    rounds: list[list[float]] = field(default_factory=list)
    num_runs: int = 0

    def rounds_s(self) -> Floats:
        """Returns the seconds that this unit adds to an epoch, by round."""
        return self.per_epoch * np.array([np.mean(samples) for samples in self.rounds])

    def epoch_s(self, counts: Bools) -> float:
        """Returns the seconds that this unit adds to an epoch: the mean of all samples in rounds that count.

        An epoch has its slow runs too: their median is 3 percent below what whole epochs average, the
        least round 7.
        """
        counted = [samples for samples, is_in in zip(self.rounds, counts, strict=True) if is_in]
        return self.per_epoch * float(np.mean(np.concatenate(counted)))


@dataclass(slots=True, kw_only=True)
class _Tally:
    """All samples of one configuration."""

    trial: dict[str, Any]
    units: dict[str, _UnitTally] = field(default_factory=dict)
    peak_gib: float = 0.0
    is_oom: bool = False
    num_visits: int = 0

    @property
    def standard_error(self) -> float:
        """The relative standard error of the mean of the rounds that count; infinite if there is only one."""
        rounds_s = self._rounds_s[self._counts]
        if len(rounds_s) < 2:
            return math.inf
        return float(rounds_s.std(ddof=1) / rounds_s.mean() / math.sqrt(len(rounds_s)))

    def result(self) -> ProbeResult:
        """Returns the prediction from the undisturbed rounds."""
        if self.is_oom:
            return _out_of_memory(self.trial["params"])
        counts = self._counts
        epoch_s = {name: unit.epoch_s(counts) for name, unit in self.units.items()}
        main = max(epoch_s, key=lambda name: epoch_s[name])
        return ProbeResult(
            params=self.trial["params"],
            status="ok",
            epoch_time_s=sum(epoch_s.values()),
            peak_memory_gib=self.peak_gib,
            num_steps_timed=self.units[main].num_runs,
            standard_error=self.standard_error,
        )

    @property
    def _rounds_s(self) -> Floats:
        """Returns the seconds of an epoch, by round."""
        total: Floats = np.sum([unit.rounds_s() for unit in self.units.values()], axis=0)
        return total

    @property
    def _counts(self) -> Bools:
        """For each round, whether it was undisturbed."""
        rounds_s = self._rounds_s
        undisturbed: Bools = rounds_s <= DISTURBED * np.median(rounds_s)
        return undisturbed


def _least_sure(tallies: Sequence[_Tally]) -> _Tally | None:
    """Returns the configuration whose rounds disagree most; None if all agree or had all their visits."""
    in_question = [tally for tally in tallies if not tally.is_oom and tally.num_visits < MAX_VISITS]
    unsure = [tally for tally in in_question if tally.standard_error > MAX_STANDARD_ERROR]
    return max(unsure, key=lambda tally: tally.standard_error, default=None)


class _Bench:
    """One stage object, which is given one configuration after another."""

    def __init__(self, stage_class: type[Probeable], device_kind: str) -> None:
        self._class = stage_class
        self._meter, self._synchronize = memory_meter(device_kind), synchronizer(device_kind)
        self._stage: Probeable | None = None

    def warm_process(self, tallies: Sequence[_Tally]) -> None:
        """Does on a first trial what is done once in a process, such as imports."""
        if self._class not in _WARM:
            for tally in tallies[:1]:
                self._start(tally.trial).release()
            _WARM.add(self._class)

    def visit(self, tally: _Tally, budget_s: float) -> None:
        """Builds a trial and samples its units until the budget is used; half is always left for sampling."""
        if tally.is_oom:
            return
        start = time.perf_counter()
        stage = self._start(tally.trial)
        deadline = max(start + budget_s, time.perf_counter() + 0.5 * budget_s)
        tally.is_oom = stage.failure is not None or (
            out_of_memory(lambda: self._sample_all(stage.time_units(), tally, deadline)) is not None
        )
        tally.peak_gib = max(tally.peak_gib, self._meter.peak_gib())
        tally.num_visits += 1
        stage.release()

    def close(self) -> None:
        """Ends the stage."""
        if self._stage is not None:
            self._stage.stop()

    def _start(self, trial: dict[str, Any]) -> Probeable:
        if self._stage is None:
            self._stage = self._class(config=trial)
        else:
            self._stage.reset(trial)
        return self._stage

    def _sample_all(self, units: Sequence[TimeUnit], tally: _Tally, deadline: float) -> None:
        """Samples every unit, longer if it matters more."""
        firsts = [self._first_sample(unit) for unit in units]
        epoch_s = sum(unit.per_epoch * first for unit, first in zip(units, firsts, strict=True))
        left_s = max(0.0, deadline - time.perf_counter())
        for unit, first in zip(units, firsts, strict=True):
            num_runs = max(1, round(MIN_SAMPLE_S / first))
            samples = [first] if num_runs == 1 else []
            self._sample_for(left_s * unit.per_epoch * first / epoch_s, unit, num_runs, samples)
            unit_tally = tally.units.setdefault(unit.name, _UnitTally(per_epoch=unit.per_epoch))
            unit_tally.rounds.append(samples)
            unit_tally.num_runs += num_runs * len(samples)

    def _sample_for(self, seconds: float, unit: TimeUnit, num_runs: int, samples: list[float]) -> None:
        """Adds samples until ``seconds`` are used, earlier samples included, and ``_are_few`` is false."""
        spent_s = num_runs * sum(samples)
        begin = time.perf_counter() - spent_s
        while not samples or spent_s + 0.5 * spent_s / len(samples) < seconds or _are_few(samples, num_runs):
            samples.append(self._sample(unit, num_runs))
            spent_s = time.perf_counter() - begin

    def _first_sample(self, unit: TimeUnit) -> float:
        """Returns the seconds of the first run if it is long enough to hide start-up, else of the second."""
        first = self._sample(unit, 1)
        return first if first >= LONG_S else self._sample(unit, 1)

    def _sample(self, unit: TimeUnit, num_runs: int) -> float:
        """Returns the synchronised seconds of a run, without those in which others had its core."""
        self._synchronize()
        # The clock is read first and last: what others take between two readings may only lengthen a time.
        start, stolen_s = time.perf_counter(), (run_delay_s(THIS_THREAD) or 0.0)
        for _ in range(num_runs):
            unit.run()
        self._synchronize()
        stolen_s = (run_delay_s(THIS_THREAD) or 0.0) - stolen_s
        return (time.perf_counter() - start - stolen_s) / num_runs


def _are_few(samples: Sequence[float], num_runs: int) -> bool:
    return len(samples) < MIN_SAMPLES and num_runs * sum(samples) < LONG_S


def _out_of_memory(params: Mapping[str, Any]) -> ProbeResult:
    """Returns the result of a configuration that does not fit into memory."""
    return ProbeResult(
        params=dict(params),
        status="oom",
        epoch_time_s=math.nan,
        peak_memory_gib=math.nan,
        num_steps_timed=0,
        standard_error=math.nan,
    )
