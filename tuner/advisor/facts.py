"""Everything a run has asked and heard, as typed facts in their order: enough to restore an advisor.

Values only. Where they come from (a journal) is the business of `tuner.runs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.advisor.messages import Ask, Ending, ProbeResult, Run, ended_by, record_of
from tuner.core.measurement import Measurement
from tuner.core.trial import TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The advisor asked for something, or said that it had finished; `Wait` is no fact."""

    answer: Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A trial reported an epoch."""

    trial_id: str
    measurement: Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOrdered:
    """The advisor ordered a trial to stop."""

    trial_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A trial ended, or a probe ended without results."""

    trial_id: str
    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeDone:
    """A probe ended with results."""

    trial_id: str
    results: Sequence[ProbeResult]


@dataclass(frozen=True, slots=True)
class Retried:
    """A stage that was broken got another chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifyOrdered:
    """Somebody ordered the certificate to be carried on until it is firm.

    Attributes:
        hours: Hours of the budget from then on, counted from the beginning; None to keep them.
        looked: Pairs after which the certificate had been judged already; 0 if it had not.
        looked_runs: Runs of the winner by then; 0 if it had not, or in a journal of an earlier version.
    """

    hours: float | None
    looked: int
    looked_runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartDropped:
    """The run's own trials contradicted what an earlier run had taught."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingDropped:
    """The run's own trials contradicted the stage's `quality_invariant_to`."""

    reason: str


Fact = (
    Asked
    | Reported
    | StopOrdered
    | Ended
    | ProbeDone
    | Retried
    | CertifyOrdered
    | WarmStartDropped
    | PoolingDropped
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A fact and its time.

    Attributes:
        elapsed_s: Seconds since the run began.
        fact: The fact itself.
    """

    elapsed_s: float
    fact: Fact


def record_after(fact: Fact, records: Mapping[str, TrialRecord]) -> TrialRecord | None:
    """The new record of the trial that a fact changes; None where it changes none.

    Args:
        fact: The fact: what was asked or heard.
        records: The records of all trials before the fact, by their ids.
    """
    match fact:
        case Asked(answer=Run() as run):
            return record_of(run, records)
        case Reported(trial_id=trial_id, measurement=measurement):
            return records[trial_id].observed(measurement)
        case StopOrdered(trial_id=trial_id, reason=reason):
            return replace(records[trial_id], reason=reason)
        case Ended(trial_id=trial_id, ending=ending) if trial_id in records:
            return ended_by(records[trial_id], ending)
    return None
