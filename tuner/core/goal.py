"""The goal of a study: the least of one objective, under a target on NRMSE and limits on other figures.

Knows how the runs of a configuration are judged; which of them may win is `recommend`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from tuner.core.estimate import Estimate
from tuner.core.limits import Breach, Limit, reported
from tuner.core.measurement import Status
from tuner.core.metric import Metric
from tuner.core.objectives import Target
from tuner.core.ratio import LogRatio
from tuner.core.trial import TrialRecord


class Objective(StrEnum):
    """The figure to minimise, always of a training at full budget."""

    TIME = "time_s"
    TIME_TO_TARGET = "time_to_target_s"
    ENERGY = "energy_j"

    @property
    def unit(self) -> str:
        """The unit of the objective's values."""
        return "J" if self is Objective.ENERGY else "s"

    @property
    def better(self) -> str:
        """The comparative that tells, in words, in which way one configuration is better than another."""
        return _BETTER[self]


_BETTER = {
    Objective.TIME: "faster",
    Objective.TIME_TO_TARGET: "sooner at the target",
    Objective.ENERGY: "lower in energy",
}


class Unreported(NamedTuple):
    """A figure that a study needs and no report holds.

    Attributes:
        metric: Name of the figure.
        limit: The limit on it; None if it is the objective.
    """

    metric: str
    limit: Limit | None


class TimeToTarget(NamedTuple):
    """Training seconds until NRMSE first stays under the target to the end of the trial.

    When it never does, `seconds` is all of the trial and `is_censored` says that it would take longer.
    """

    seconds: float
    is_censored: bool


def time_to_target(record: TrialRecord, threshold: float, *, is_strict: bool = True) -> TimeToTarget | None:
    """Finds when a trial got and stayed within the target, at the resolution of its reports.

    Args:
        record: Record of a trial, as far as it ran.
        threshold: NRMSE to stay under.
        is_strict: Whether NRMSE equal to it is not under it.

    Returns:
        None before the first epoch that went well.
    """
    went_well = [m for m in record.measurements if m.status is Status.OK]
    if not went_well:
        return None
    since = None
    for measurement in reversed(went_well):
        if measurement.nrmse > threshold or (is_strict and measurement.nrmse == threshold):
            break
        since = measurement.time_s
    if since is None:
        return TimeToTarget(went_well[-1].time_s, is_censored=True)
    return TimeToTarget(since, is_censored=False)


def objective_at_best(trial: TrialRecord, objective: Objective, threshold: float | None) -> float | None:
    """The least a running trial's objective can still become; None when nothing can be said.

    Every epoch left is taken to cost as little as the cheapest so far. A trial that is under the target
    already may have reached it for good; one that is not needs one more epoch at least.
    """
    went_well = [m for m in trial.measurements if m.status is Status.OK]
    if not went_well:
        return None
    num_left = trial.num_epochs - trial.epoch
    fastest_s = min(m.epoch_time_s for m in went_well)
    if objective is Objective.TIME:
        return trial.time_s + num_left * fastest_s
    if objective is Objective.ENERGY:
        totals_j = [0.0, *(m.energy_j for m in went_well if m.energy_j is not None)]
        if len(totals_j) <= len(went_well):
            return None
        least_j = min(after - before for before, after in pairwise(totals_j))
        return totals_j[-1] + num_left * max(0.0, least_j)
    reached = None if threshold is None else time_to_target(trial, threshold, is_strict=False)
    if reached is None:
        return None
    return reached.seconds + (fastest_s if reached.is_censored and num_left else 0.0)


def projected_objective(trial: TrialRecord, objective: Objective, threshold: float | None) -> float | None:
    """A trial's objective at full budget if it goes on as it did; None before an epoch, or unreported.

    A target that is not reached yet is taken to be reached with the last epoch.
    """
    if not trial.epoch:
        return None
    if objective is Objective.ENERGY:
        joules = reported(trial, "energy_j")
        return None if joules is None else joules * trial.num_epochs / trial.epoch
    if objective is Objective.TIME_TO_TARGET and threshold is not None:
        reached = time_to_target(trial, threshold, is_strict=False)
        if reached is not None and not reached.is_censored:
            return reached.seconds
    return trial.projected_time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The goal of a study.

    Attributes:
        target: The bound that the mean NRMSE must meet.
        objective: The figure to minimise.
        limits: The bounds that other figures must keep.
        margin_pct: Margin under the target at which NRMSE counts as having reached it, percent of its bound.
    """

    target: Target
    objective: Objective = Objective.TIME
    limits: tuple[Limit, ...] = ()
    margin_pct: float = 0.0

    @property
    def metric(self) -> Metric:
        """The quality figure that the target bounds."""
        return self.target.metric

    @property
    def text(self) -> str:
        """The conditions to be met, in the study's own words."""
        return " and ".join([self.target.text, *(limit.text for limit in self.limits)])

    def value(self, estimate: Estimate, baseline: Estimate | None) -> float | None:
        """The objective of a configuration: the mean of `values`; None when there are none.

        Args:
            estimate: The estimate of a configuration.
            baseline: The estimate of the baseline, to which the target may be relative.
        """
        values = self.values(estimate, baseline)
        return fmean(values) if values else None

    def values(self, estimate: Estimate, baseline: Estimate | None) -> tuple[float, ...]:
        """The objective of each run that counts; none when it was not reported or cannot be known yet.

        A run that others disturbed counts only where all were, see `Estimate.timed`; for energy every run
        that reported it counts, unless it went on from a checkpoint on another kind of device.

        Args:
            estimate: The estimate of a configuration; see `value`.
            baseline: The estimate of the baseline; see `value`.
        """
        if self.objective is Objective.TIME:
            return tuple(record.time_s for record in estimate.timed)
        if self.objective is Objective.ENERGY:
            seen = (reported(record, "energy_j") for record in estimate.records if record.is_timed)
            return tuple(joules for joules in seen if joules is not None)
        reached = [self.reached_by(record, baseline) for record in estimate.timed]
        return () if None in reached else tuple(at.seconds for at in reached if at is not None)

    def ratio(self, baseline: Estimate, estimate: Estimate) -> LogRatio | None:
        """The baseline's objective over a configuration's, with its error; None while either has one run."""
        return LogRatio.of(self.values(baseline, baseline), self.values(estimate, baseline))

    def is_censored(self, estimate: Estimate, baseline: Estimate | None) -> bool:
        """Whether `value` is a lower bound: a run of it never reached the target."""
        if self.objective is not Objective.TIME_TO_TARGET:
            return False
        return any(at.is_censored for at in self.reached(estimate, baseline) or ())

    def reached(self, estimate: Estimate, baseline: Estimate | None) -> list[TimeToTarget] | None:
        """Returns when each run got under the target; None while the target is not known as a number."""
        found = [self.reached_by(record, baseline) for record in estimate.records]
        return None if None in found else [at for at in found if at is not None]

    def reached_by(self, record: TrialRecord, baseline: Estimate | None) -> TimeToTarget | None:
        """Returns when a run got under the target; None while the target is unknown, or before a report."""
        aim = self.target.tightened(self.margin_pct)
        threshold = aim.threshold(baseline.nrmse if baseline else None)
        return None if threshold is None else time_to_target(record, threshold, is_strict=aim.is_strict)

    def breaches(self, estimate: Estimate, baseline: Estimate | None) -> tuple[Breach, ...]:
        """The limits that a configuration does not keep."""
        found = (limit.breach(estimate, baseline) for limit in self.limits)
        return tuple(breach for breach in found if breach is not None)

    def unreported(self, records: Iterable[TrialRecord]) -> Unreported | None:
        """Returns an error for a figure that the study needs and no report holds.

        None before the first epoch that went well.
        """
        needs = [Unreported(limit.metric, limit) for limit in self.limits]
        if self.objective is Objective.ENERGY:
            needs.insert(0, Unreported("energy_j", None))
        heard = [r for r in records if any(m.status is Status.OK for m in r.measurements)] if needs else []
        for need in needs if heard else ():
            if all(reported(record, need.metric) is None for record in heard):
                return need
        return None
