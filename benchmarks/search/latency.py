"""Measures how long a suggestion takes when much has been tried.

All runs of a simulated study but the last ones are put into the advisor's knowledge as if they had been
played. Then the rest is played. The advisor answers as in any study, and each answer is timed together with
what the advisor was told since the last one. Whatever it answers, the next of a fixed list of runs is
started, so the number of distinct configurations is known. This module knows the advisor's parts, but not how
they work.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.search.arms import Ours
from tuner.advisor import Ask, Ending, Finished, Run
from tuner.advisor.agenda import Task
from tuner.advisor.knowledge import Knowledge
from tuner.advisor.messages import ProbeResult, record_of
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.measurement import Measurement
from tuner.core.parameters import Discrete
from tuner.core.trial import Purpose, TrialState
from tuner.scheduling import Decision
from tuner.simulate import Instance, VirtualClock, make_instance
from tuner.simulate.loop import Driven

WINDOW = 50
"""Number of answers that are timed, the last ones before the number of trials is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The trials that have been made when suggestions are timed.

    Attributes:
        num_trials: Number of completed trials.
        num_distinct: Number of configurations that are tried in turn, each round with the next seed.
        instance: Name of an instance that no search is reported on.
        quality_invariant_to: See `StageTraits`. If it is empty, each configuration has its own quality.
        is_mixed: Whether learning rate, precision and compilation vary too: 180 points for each one.
    """

    num_trials: int
    num_distinct: int = 500
    instance: str = "dev-logarithmic-cpu"
    quality_invariant_to: tuple[str, ...] = ("micro_batch",)
    is_mixed: bool = False


LOADS = {
    "100": Load(num_trials=100),
    "1000": Load(num_trials=1000),
    "5000": Load(num_trials=5000),
    "2000_distinct": Load(
        num_trials=2000, num_distinct=2000, instance="dev-learning-rate-a100", quality_invariant_to=()
    ),
    "1000_of_12816_points": Load(
        num_trials=1000, num_distinct=1000, instance="select-tuned-12816-points", quality_invariant_to=()
    ),
    "100_of_101520_points": Load(num_trials=100, instance="dev-logarithmic-a100", is_mixed=True),
}
"""The loads by their names in the line of JSON. The first three are of the 280 points of `cpu.yaml`, which
have 65 qualities; the next two have one for every trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The times of the last answers, in milliseconds.

    The first of them learns from all the trials that were put there at once, as a run does that is resumed.
    So it is told apart.

    Attributes:
        p95_ms: 95th percentile of an answer's time by the clock, but for the first.
        longest_ms: Longest time of an answer by the clock, but for the first.
        first_ms: Time of the first answer by the clock.
        cpu_p95_ms: 95th percentile of an answer's CPU time, but for the first.
        cpu_longest_ms: Longest CPU time of an answer, but for the first.
        observe_ms: 95th percentile of the time that taking a report takes.
    """

    p95_ms: float
    longest_ms: float
    first_ms: float
    cpu_p95_ms: float
    cpu_longest_ms: float
    observe_ms: float


def _in_turn(plan: Callable[..., Any], tasks: Sequence[Task]) -> Callable[..., Task]:
    """Returns a function that plans as usual, and then starts the next run of a list instead."""
    left = iter(tasks)

    def planned(**moment: Any) -> Task:
        plan(**moment)
        return next(left)

    return planned


class _Timed:
    """An arm whose answers are timed until enough trials have ended."""

    def __init__(self, arm: Driven, num_trials: int) -> None:
        self._arm, self._num_trials = arm, num_trials
        self.took: list[tuple[float, float]] = []
        """Seconds of each answer: by the clock, and of CPU time."""
        self.observe_s: list[float] = []
        self.num_ended = 0
        self._tell = (0.0, 0.0)

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Passes the results of a probe on."""
        self._arm.probed(trial_id, results)

    def ask(self) -> Ask:
        """Times the arm's answer. When enough is measured, it ends the study."""
        if self.num_ended >= self._num_trials:
            return Finished(reason="enough was measured")
        begun = _now()
        answer = self._arm.ask()
        now = _now()
        self.took.append((self._tell[0] + now[0] - begun[0], self._tell[1] + now[1] - begun[1]))
        self._tell = (0.0, 0.0)
        return answer

    def observe(self, trial_id: str, measurement: Measurement) -> Decision:
        """Passes a report on, and times it."""
        begun = time.perf_counter()
        decision = self._arm.observe(trial_id, measurement)
        self.observe_s.append(time.perf_counter() - begun)
        return decision

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Passes the end of a trial on. Its time counts towards the next suggestion."""
        begun = _now()
        self._arm.tell(trial_id, ending)
        now = _now()
        self._tell = (now[0] - begun[0], now[1] - begun[1])
        self.num_ended += 1


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def measure(load: Load) -> Latency:
    """Measures how long a suggestion takes after the load's completed trials."""
    instance, clock = _instance(load), VirtualClock()
    arm = Ours(instance, clock, 1)
    advisor = arm.advisor
    traits = replace(advisor.traits, quality_invariant_to=load.quality_invariant_to)
    advisor.knowledge = Knowledge(replace(advisor.knowledge.problem, traits=traits))
    advisor._agenda._due.clear()
    tasks = _tasks(instance, load)
    num_before = max(0, load.num_trials - WINDOW)
    for task in tasks[:num_before]:
        _put(advisor.knowledge, instance, task)
    advisor._wanted = _in_turn(advisor._wanted, tasks[num_before:])
    timed = _Timed(arm, load.num_trials - num_before)
    instance.play(timed, clock)
    first, *later = timed.took[: load.num_trials - num_before]
    took = np.array(later)
    return Latency(
        p95_ms=_ms(np.percentile(took[:, 0], 95)),
        longest_ms=_ms(took[:, 0].max()),
        first_ms=_ms(first[0]),
        cpu_p95_ms=_ms(np.percentile(took[:, 1], 95)),
        cpu_longest_ms=_ms(took[:, 1].max()),
        observe_ms=_ms(np.percentile(timed.observe_s, 95)),
    )


def _tasks(instance: Instance, load: Load) -> list[Task]:
    """Returns the baseline, and then the configurations in turn, each round with a new seed."""
    study = instance.study
    rows = np.random.default_rng(0).permutation(np.flatnonzero(instance.truth.fits))[: load.num_distinct]
    configs = [study.lattice.config(int(row)) for row in rows]
    found = [Task(Purpose.BASELINE, study.baseline, study.seed)]
    for k in range(load.num_trials):
        rounds, which = divmod(k, len(configs))
        found.append(Task(Purpose.SEARCH, configs[which], study.seed + 1 + rounds))
    return found


def _put(knowledge: Knowledge, instance: Instance, task: Task) -> None:
    """Puts a run into the advisor's knowledge as if it had been played."""
    run = Run(
        trial_id=f"{len(knowledge.observations.records) + 1:04d}",
        config=task.config,
        seed=task.seed,
        num_epochs=instance.study.stage.num_epochs,
        purpose=task.purpose,
    )
    record = record_of(run, {})
    knowledge.put(record)
    for epoch in range(1, run.num_epochs + 1):
        report = instance.train(run, epoch)
        assert report is not None  # no worker is lost on these instances
        record = record.observed(report)
    knowledge.put(record.ended(TrialState.COMPLETE))


def _instance(load: Load) -> Instance:
    """Returns an instance whose study has no budget, and in which every trial runs to its end."""
    instance = make_instance(load.instance, 0)
    if load.is_mixed:
        instance = mixed(instance)
    study = instance.study
    budget = replace(study.budget, trials=10**9, hours=1e9)
    scheduler = replace(study.scheduler, rule="none", options={})
    return replace(instance, study=replace(study, budget=budget, scheduler=scheduler), _luck={})


_MORE = (
    Discrete(name="lr_scale", values=tuple(round(2 ** (k / 10 - 1.5), 3) for k in range(30))),
    Discrete(name="precision", values=("fp32", "bf16", "fp16"), is_ordered=False),
    Discrete(name="compile", values=(False, True), is_ordered=False),
)


def mixed(instance: Instance) -> Instance:
    """Returns the instance with three more parameters, which make 180 points of each one.

    The middle learning rate is best. Lower precision and compilation make a point faster, and the lowest
    precision makes its NRMSE worse.
    """
    study, truth = instance.study, instance.truth
    num_more = math.prod(len(parameter.values) for parameter in _MORE)
    lattice = Lattice((*study.parameters, *_MORE), study.rules)
    columns = lattice.columns
    of = np.repeat(np.arange(len(study.lattice)), num_more)
    faster = np.select([columns["precision"] == "fp32", columns["precision"] == "bf16"], [1.0, 0.85], 0.8)
    faster = faster * np.where(columns["compile"].astype(bool), 0.9, 1.0)
    worse = 1 + 0.02 * np.log2(columns["lr_scale"].astype(float)) ** 2
    worse = worse + np.where(columns["precision"] == "fp16", 0.01, 0.0)
    extra = {"lr_scale": 1.0, "precision": "fp32", "compile": False}
    baseline = TrialConfig.from_dict(study.baseline.as_dict() | extra)
    truth = replace(
        truth,
        time_s=truth.time_s[of] * faster,
        peak_memory_gib=truth.peak_memory_gib[of],
        nrmse=truth.nrmse[of] * worse[:, None],
    )
    study = replace(study, lattice=lattice, baseline=baseline, guide=None)
    return replace(instance, study=study, truth=truth, _luck={})


def _ms(seconds: float) -> float:
    return round(1000 * float(seconds), 2)
