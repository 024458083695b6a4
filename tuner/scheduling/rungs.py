"""The rungs of successive halving: at which epochs trials are compared, with whom, and how many go on.

A trial is compared by what it reported at the rung, whatever became of it later. Knows no order of
trials: that is the rules'.

Reference: Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2020), section 3; here in its
stopping form: who reaches a rung is compared at once with all who reached it before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tuner.core.goal import Objective, objective_at_best, projected_objective
from tuner.core.measurement import Status
from tuner.core.pareto import Point
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.scheduling.contract import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class RungReport:
    """What a trial reported at a rung, and what that projects to.

    Attributes:
        trial: Record of the trial up to the rung.
        objective: Objective of the study at full budget, as projected at the rung.
        at_least: Least value that this may still take: less only for a time to a target not reached by then.
        nrmse: NRMSE, as reported at the rung.
    """

    trial: TrialRecord
    objective: float
    at_least: float
    nrmse: float

    @property
    def point(self) -> Point:
        """The pair (objective, nrmse)."""
        return self.objective, self.nrmse


def is_rung(trial: TrialRecord, *, grace_period: int, reduction_factor: int) -> bool:
    """Whether a trial has just reached a rung: its newest report went well and more epochs are to come.

    Rungs are at epochs `grace_period`, `reduction_factor` times that, and so on.
    """
    if trial.last is None or trial.last.status is not Status.OK or trial.epoch >= trial.num_epochs:
        return False
    rung = grace_period
    while rung < trial.epoch:
        rung *= reduction_factor
    return rung == trial.epoch


def report_at(record: TrialRecord, rung: int, evidence: Evidence) -> RungReport | None:
    """Returns a trial's report at a rung; None if it did not get there or turned out infeasible.

    One that diverged or ran out of memory later holds no place that another could have, nor does one that
    did not report the objective.
    """
    if record.state is TrialState.INFEASIBLE or rung not in record.nrmse_curve:
        return None
    until = tuple(m for m in record.measurements if m.status is Status.OK and m.epoch <= rung)
    trial = replace(record, measurements=until)
    objective, threshold = evidence.objective, evidence.threshold
    projected = projected_objective(trial, objective, threshold)
    if projected is None:
        return None
    at_least: float | None = projected
    if objective is Objective.TIME_TO_TARGET:
        at_least = objective_at_best(trial, objective, threshold)
    return RungReport(
        trial=trial,
        objective=projected,
        at_least=projected if at_least is None else at_least,
        nrmse=trial.nrmse,
    )


def reports_at(records: Iterable[TrialRecord], rung: int, evidence: Evidence) -> list[RungReport]:
    """Returns the standings of all trials that reached a rung, in their order."""
    return [report for record in records if (report := report_at(record, rung, evidence))]


def num_kept(num: int, reduction_factor: int) -> int:
    """Returns how many of `num` trials at a rung go on: at least one, so that a first one always does."""
    return -(-num // reduction_factor)


def comparable(trial: TrialRecord, records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The other trials of the search, of one configuration and seed the newest.

    A lost trial and its repeat report the same figures; neither counts against the other, nor both
    against a third.
    """
    newest = {(r.config, r.seed): r for r in records if r.purpose is Purpose.SEARCH}
    newest.pop((trial.config, trial.seed), None)
    return list(newest.values())
