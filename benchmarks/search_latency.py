"""How long a suggestion takes when much has been tried.

The advisor answers as in any study, and each answer is timed with what it was told since the last one; then
the next of a fixed list of runs is started, whatever it answered. So it never ends, and how many distinct
configurations it has seen is known.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.search_arms import Ours
from tuner.advisor import Ask, Ending, Finished
from tuner.advisor.knowledge import Knowledge
from tuner.advisor.messages import ProbeResult
from tuner.advisor.planner import Planner, Task
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement
from tuner.core.trial import Purpose
from tuner.scheduling import Decision
from tuner.simulate import Instance, VirtualClock, make_instance
from tuner.simulate.loop import Driven

WINDOW = 50
"""The last answers before a number of trials is reached, of which the 95th percentile is taken."""
LIMIT_S = 900.0
"""Longest measurement; what was not reached by then is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What has been tried when suggestions are timed.

    Attributes:
        instance: Of the development set.
        num_distinct: Configurations tried in turn, each time round with the next seed.
        quality_invariant_to: See `StageTraits`; without any, each configuration has a quality of its own.
    """

    instance: str = "dev-logarithmic-a100"
    num_distinct: int = 500
    quality_invariant_to: tuple[str, ...] = ("micro_batch",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of the last answers, ms: 95th percentile and longest by the clock, 95th percentile of processor time.

    `observe_ms` is the 95th percentile of taking a report.
    """

    p95_ms: float
    longest_ms: float
    cpu_p95_ms: float
    observe_ms: float


class _InTurn(Planner):
    """Plans as ever, and then starts the next of the list."""

    def __init__(self, instance: Instance, load: Load) -> None:
        super().__init__(instance.study)
        lattice = instance.study.lattice
        rows = np.flatnonzero(instance.truth.fits)
        order = np.random.default_rng(0).permutation(rows)
        self._configs: list[TrialConfig] = [lattice.config(int(row)) for row in order[: load.num_distinct]]
        self._num_started = 0
        self._first_seed = instance.study.seed + 1

    def next(
        self, knowledge: Knowledge, trial_id: str, *, is_searching: bool, probe_cost_s: float | None
    ) -> Task:
        super().next(knowledge, trial_id, is_searching=is_searching, probe_cost_s=probe_cost_s)
        rounds, k = divmod(self._num_started, len(self._configs))
        self._num_started += 1
        return Task(Purpose.SEARCH, self._configs[k], self._first_seed + rounds)


class _Timed:
    """An arm whose answers are timed until enough trials have ended or the time is over."""

    def __init__(self, arm: Driven, num_trials: int) -> None:
        self._arm, self._num_trials = arm, num_trials
        self.took: list[tuple[float, float]] = []
        """Seconds of each answer: by the clock, and of the processor."""
        self.observe_s: list[float] = []
        self.num_ended = 0
        self._tell = (0.0, 0.0)
        self._started = time.monotonic()

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Passed on."""
        self._arm.probed(trial_id, results)

    def ask(self) -> Ask:
        """The arm's answer; the end of the measurement is the end of the study."""
        if self.num_ended >= self._num_trials or time.monotonic() - self._started > LIMIT_S:
            return Finished(reason="enough was measured")
        begun = _now()
        answer = self._arm.ask()
        now = _now()
        self.took.append((self._tell[0] + now[0] - begun[0], self._tell[1] + now[1] - begun[1]))
        self._tell = (0.0, 0.0)
        return answer

    def observe(self, trial_id: str, measurement: Measurement) -> Decision:
        """Passed on and timed."""
        begun = time.perf_counter()
        decision = self._arm.observe(trial_id, measurement)
        self.observe_s.append(time.perf_counter() - begun)
        return decision

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Passed on; its time counts towards the next suggestion."""
        begun = _now()
        self._arm.tell(trial_id, ending)
        now = _now()
        self._tell = (now[0] - begun[0], now[1] - begun[1])
        self.num_ended += 1


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def measure(numbers: Sequence[int], load: Load | None = None) -> dict[str, Latency | None]:
    """How long a suggestion takes after each number of completed trials; None where that took too long."""
    load = load or Load()
    instance, clock = _endless(load), VirtualClock()
    arm = Ours(instance, clock, 1)
    advisor = arm.advisor
    advisor.traits = replace(advisor.traits, quality_invariant_to=load.quality_invariant_to)
    problem = replace(advisor.knowledge.problem, traits=advisor.traits)
    advisor.knowledge = Knowledge(problem)
    advisor._planner = _InTurn(instance, load)
    timed = _Timed(arm, max(numbers))
    instance.play(timed, clock)
    return {str(n): _latency(timed, n) if timed.num_ended >= n else None for n in numbers}


def _endless(load: Load) -> Instance:
    """An instance whose study no budget ends, and in which every trial runs to its end."""
    instance = make_instance(load.instance, 0)
    study = instance.study
    budget = replace(study.budget, trials=10**9, hours=1e9)
    scheduler = replace(study.scheduler, rule="none", options={})
    return replace(instance, study=replace(study, budget=budget, scheduler=scheduler), _luck={})


def _latency(timed: _Timed, number: int) -> Latency:
    window = np.array(timed.took[max(0, number - WINDOW) : number])
    reports = len(timed.observe_s) // timed.num_ended
    observed = timed.observe_s[max(0, number - WINDOW) * reports : number * reports]
    return Latency(
        p95_ms=_ms(np.percentile(window[:, 0], 95)),
        longest_ms=_ms(window[:, 0].max()),
        cpu_p95_ms=_ms(np.percentile(window[:, 1], 95)),
        observe_ms=_ms(np.percentile(observed, 95)),
    )


def _ms(seconds: float) -> float:
    return round(1000 * float(seconds), 2)
