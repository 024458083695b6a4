"""Defines what a stopping rule is told and what it answers.

Knows nothing of any particular rule, nor of which trials are protected from stopping: the advisor
does not ask about those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tuner.core.estimate import Estimate
from tuner.core.goal import Objective
from tuner.core.metric import NRMSE, Metric
from tuner.core.trial import TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another trial of the search, and what is believed of it.

    Attributes:
        record: Running, or ended in any state; of a running one, what it has reported so far.
        probability: Probability that its configuration meets the target; None while unknown.
    """

    record: TrialRecord
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything known beside the trial in question.

    Attributes:
        finished: Records of trials that ended, in any state; a rule picks those it can use.
        rivals: The other trials of the search, running ones included, in the order of asking. Neither the
            trial itself nor the baseline, the guide's row or a replicate is among them, and of one
            configuration and seed there is one: a lost trial and its repeat report the same.
        incumbent: The best feasible configuration; None before there is one.
        objective: The objective by which it is the best.
        to_beat: The objective to beat, if that is other than its time.
        threshold: The NRMSE to stay under; None while the baseline it is relative to is unmeasured.
        probability: Probability that its configuration meets the target, the curve so far included; None
            while that says nothing.
        metric: The study's quality figure, for what reasons say; what is called NRMSE here is its number on
            the models' scale.
    """

    finished: tuple[TrialRecord, ...] = ()
    rivals: tuple[Rival, ...] = ()
    incumbent: Estimate | None = None
    objective: Objective = Objective.TIME
    to_beat: float | None = None
    threshold: float | None = None
    probability: float | None = None
    metric: Metric = NRMSE


@dataclass(frozen=True, slots=True)
class Continue:
    """Let the trial run on."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the trial now; `reason` says why, with its numbers, and is kept in the record."""

    reason: str


Decision = Continue | Stop


class StoppingRule(Protocol):
    """Says whether a running trial is worth its seconds. Pure: same question, same answer."""

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        """Called after every epoch that went well, with the record that already holds it.

        Not called for the baseline and the guide's row, which always run to their full budget.
        """
        ...
