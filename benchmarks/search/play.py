"""Plays one arm on one simulated instance and judges its answer by the truth.

This module knows the simulator and the contract of an arm. It knows no statistics.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.search.public import public_instance
from benchmarks.search.results import ArmRun
from tuner.advisor import Ask, Ending
from tuner.advisor.messages import ProbeResult
from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement
from tuner.scheduling import Decision
from tuner.simulate import Account, Costs, Instance, VirtualClock, make_instance
from tuner.simulate.hardware import hardware_law
from tuner.simulate.table import over_micro_batches, read_rows, table_instance
from tuner.spec import load_study

TABLE_STARTUP_S, TABLE_PROBE_S = 0.3, 0.8
"""Seconds that the CPU stage takes to set up a trial in a reused process, and to probe a configuration
(docs/stage.md, "Probe")."""

BUDGET_UNITS = 60.0
"""The budget of every run, in trainings of the reference optimum."""

MARGINS_PCT = (0.0, 0.5, 1.0)
"""The safety margins that an arm's recommendations are judged with, in percent of the target."""


class Arm(Protocol):
    """A search that can be played: it keeps the advisor's contract, and gives an answer.

    Attributes:
        margins_pct: Margins that its answers are judged with; (0,) for an arm that has a margin of its own.
        is_anytime: Whether its answer so far is noted after every trial.
    """

    margins_pct: Sequence[float]
    is_anytime: bool

    def ask(self) -> Ask:
        """Returns what to do next: a trial, a probe, a wait or the end."""

    def observe(self, trial_id: str, measurement: Measurement) -> Decision:
        """Takes the report of an epoch, and returns whether the trial goes on."""

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Takes the end of a trial."""

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Takes the results of a probe."""

    def answer(self, margin_pct: float) -> TrialConfig | None:
        """Returns the recommendation with a safety margin in percent of the target, or None."""

    def evaluated(self) -> list[TrialConfig]:
        """Returns the configurations that ran to their full budget."""


ArmFactory = Callable[[Instance, VirtualClock, int], Arm]
"""A function that makes a fresh arm from an instance, a clock and a number of workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One arm that is to be played on one instance.

    Attributes:
        arm, set_name, instance: Names of the arm, the set and the instance.
        seed: Seed of the instance and of the stage.
        budget_units: Budget of GPU-seconds, in trainings of the optimum.
        num_workers: Number of trials at once.
        table: File of measured runs that is played instead of a drawn instance, or None.
    """

    arm: str
    set_name: str
    instance: str
    seed: int
    budget_units: float = BUDGET_UNITS
    num_workers: int = 1
    table: Path | None = None

    @property
    def label(self) -> str:
        """The name of the arm in the tables."""
        return self.arm if self.num_workers == 1 else f"{self.arm} x{self.num_workers}"


def instance_of(task: Task) -> Instance:
    """Returns the instance of a task: a drawn one, a public table, or measured runs of the CPU study."""
    if task.table is None:
        make = public_instance if task.set_name == "public" else make_instance
        return make(task.instance, task.seed, budget_units=task.budget_units, num_workers=task.num_workers)
    study = load_study("cpu.yaml")
    rows = read_rows(task.table)
    if any(row.epoch_time_s is None for row in rows):
        rows = over_micro_batches(study, rows)
    costs = Costs(startup_s=TABLE_STARTUP_S, evaluate_s=0.02)
    law = hardware_law(study.hardware)
    instance = table_instance(study, rows, time_law=law, costs=costs, seed=task.seed)
    hours = task.budget_units * instance.unit_s / 3600
    budget = replace(study.budget, trials=100_000, hours=hours)
    instance = replace(
        instance,
        probe_s=TABLE_PROBE_S,
        study=replace(instance.study, budget=budget, seed=task.seed, certificate=Terms(pairs=0)),
    )
    return instance.shared_by(task.num_workers)


@dataclass(frozen=True, slots=True)
class Standing:
    """An answer, and since when it stands.

    Attributes:
        config: The recommended configuration, or None.
        since: Cost at which it was given.
        right_since: Cost since when every answer has been a success; None if this one is not.
    """

    config: TrialConfig | None = None
    since: float = 0.0
    right_since: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the answer is a success."""
        return self.right_since is not None


class _Judged:
    """Wraps an arm, and notes after every trial and probe what it would have answered."""

    def __init__(self, arm: Arm, instance: Instance, account: Account) -> None:
        self.arm, self._instance, self._account = arm, instance, account
        self.answers: dict[float, list[tuple[float, bool, bool, bool]]] = {m: [] for m in arm.margins_pct}
        self._standing = {m: Standing() for m in arm.margins_pct}
        self.ask, self.observe = arm.ask, arm.observe

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Passes the results of a probe on, and notes the arm's answers."""
        self.arm.probed(trial_id, results)
        self._note()

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Passes the end of a trial on, and notes the arm's answers."""
        self.arm.tell(trial_id, ending)
        self._note()

    def _note(self) -> None:
        for margin_pct, answers in self.answers.items():
            config = self._settle(margin_pct)
            if self.arm.is_anytime:
                is_success, is_lie = self._instance.is_success(config), self._instance.is_lie(config)
                answers.append((self._spent, is_success, is_lie, config is not None))

    def _settle(self, margin_pct: float) -> TrialConfig | None:
        """Returns the answer now, and keeps since when it stands."""
        config = self.arm.answer(margin_pct)
        before = self._standing[margin_pct]
        if config != before.config:
            is_success = self._instance.is_success(config)
            right_since = (before.right_since if before.is_success else self._spent) if is_success else None
            self._standing[margin_pct] = Standing(config, self._spent, right_since)
        return config

    def final(self, margin_pct: float) -> Standing:
        """Returns the answer at the end."""
        self._settle(margin_pct)
        return self._standing[margin_pct]

    @property
    def _spent(self) -> float:
        return self._account.total_s / self._instance.unit_s


def play(task: Task, factory: ArmFactory, instance: Instance | None = None) -> list[ArmRun]:
    """Plays an arm to its end, and returns an outcome for each of its margins, even if the arm fails.

    Args:
        task: Task that names the instance.
        factory: Function that makes the arm.
        instance: Instance that is played instead of the one that the task names.
    """
    instance = instance or instance_of(task)
    clock, account, started, judged, error = VirtualClock(), Account(), time.perf_counter(), None, ""
    try:
        judged = _Judged(factory(instance, clock, task.num_workers), instance, account)
        instance.play(judged, clock, account, num_workers=task.num_workers)
    except Exception:  # an arm may fail in any way; the others go on
        error = traceback.format_exc()
    wall_s = time.perf_counter() - started
    if judged is None:
        return [_outcome(task, task.label, instance, None, account, wall_s, error)]
    outcomes = []
    for margin_pct in judged.arm.margins_pct:
        name = task.label if len(judged.arm.margins_pct) == 1 else f"{task.label} -{margin_pct:g}%"
        outcomes.append(_outcome(task, name, instance, (judged, margin_pct), account, wall_s, error))
    return outcomes


def _outcome(
    task: Task,
    name: str,
    instance: Instance,
    played: tuple[_Judged, float] | None,
    account: Account,
    wall_s: float,
    error: str,
) -> ArmRun:
    final = played[0].final(played[1]) if played and not error else Standing()
    config = final.config
    best = instance.truth.optimum
    unit_s = instance.unit_s
    is_known = config is not None and best is not None
    return ArmRun(
        arm=name,
        instance=task.instance,
        set_name=task.set_name,
        seed=task.seed,
        is_solvable=best is not None,
        is_success=not error and instance.is_success(config),
        is_lie=instance.is_lie(config),
        has_answer=config is not None,
        cost=account.total_s / unit_s,
        budget=task.budget_units,
        settled=None if config is None else final.since,
        right_since=final.right_since,
        baseline_cost=account.total_s / float(instance.truth.time_s[instance.baseline]),
        shares=_shares(account, unit_s),
        time_ratio=float(instance.truth.time_s[instance.row(config)] / unit_s) if is_known else None,
        hypervolume=_hypervolume(instance, played[0].arm.evaluated()) if played and not error else 0.0,
        num_trials=account.num_trials,
        wall_s=wall_s,
        answers=tuple(played[0].answers[played[1]]) if played else (),
        error=error,
    )


def _shares(account: Account, unit_s: float) -> dict[str, float]:
    others = {name: getattr(account, f"{name}_s") for name in ("startup", "evaluate", "probe", "lost")}
    return {name: seconds / unit_s for name, seconds in (dict(account.training_s) | others).items()}


def _hypervolume(instance: Instance, configs: list[TrialConfig]) -> float:
    """Returns the true hypervolume of some configurations, as a share of what is possible.

    It is the area that they dominate in time and NRMSE, up to the baseline's time and the median NRMSE.
    """
    truth = instance.truth
    fits = np.flatnonzero(truth.fits)
    corner = truth.time_s[instance.baseline], float(np.median(truth.nrmse[fits, -1]))
    rows = [row for row in {instance.row(config) for config in configs} if truth.fits[row]]
    whole = _area(truth.time_s[fits], truth.nrmse[fits, -1], corner)
    return _area(truth.time_s[rows], truth.nrmse[rows, -1], corner) / whole if rows and whole else 0.0


def _area(x: np.ndarray, y: np.ndarray, corner: tuple[float, float]) -> float:
    """Returns the area that points dominate up to a corner; both coordinates are minimised."""
    area, top = 0.0, corner[1]
    for k in np.lexsort((y, x)):
        if x[k] < corner[0] and y[k] < top:
            area += (corner[0] - x[k]) * (top - y[k])
            top = y[k]
    return float(area)
