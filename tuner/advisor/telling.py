"""Puts together what a stopping rule and a sampler are told of a trial, from all that is known."""

from __future__ import annotations

from tuner.advisor.knowledge import Knowledge
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.goal import Objective
from tuner.core.recommend import baseline_estimate, threshold
from tuner.core.trial import TrialRecord
from tuner.scheduling import Evidence, Rival, comparable, project
from tuner.search import FullBudgetValues


def evidence(record: TrialRecord, knowledge: Knowledge, incumbent: Estimate | None) -> Evidence:
    """Returns what a stopping rule is told beside a running trial.

    Args:
        record: The trial's record, its newest report included.
        knowledge: Everything known so far.
        incumbent: The best qualified configuration, which a trial has to beat; None before there is one.
    """
    return Evidence(
        finished=knowledge.complete,
        rivals=tuple(
            Rival(record=other, probability=knowledge.chance(other))
            for other in comparable(record, knowledge.observations.records.values())
        ),
        incumbent=incumbent,
        objective=knowledge.problem.objective,
        to_beat=None if incumbent is None else _believed(incumbent.config, knowledge),
        threshold=_threshold(knowledge),
        probability=knowledge.chance(record),
        metric=knowledge.problem.target.metric,
    )


def full_budget_values(record: TrialRecord, knowledge: Knowledge) -> FullBudgetValues | None:
    """Returns what a sampler is told of a trial at full budget; None if it has no figures."""
    if record.is_full_budget:
        time_s, nrmse, bound = record.time_s, record.nrmse, record.nrmse
    elif projection := project(record, knowledge.complete):
        time_s, nrmse, bound = projection.time_s, projection.nrmse, projection.nrmse_optimistic
    else:
        return None
    limit = _threshold(knowledge)
    quality = bound - limit if bound and limit else 0.0  # 0: not known yet
    is_time = knowledge.problem.objective is Objective.TIME
    return FullBudgetValues(
        projected_objective=time_s if is_time else _believed(record.config, knowledge),
        projected_nrmse=nrmse,
        quality=_with_excess(quality, record, knowledge),
    )


def _with_excess(quality: float, record: TrialRecord, knowledge: Knowledge) -> float:
    """The violation of the target, and that of the limits as shares of an NRMSE of 1."""
    goal = knowledge.problem.goal
    if not (goal.limits and record.is_full_budget):
        return quality
    baseline = baseline_estimate(knowledge.records, knowledge.observations.measured)
    breaches = goal.breaches(Estimate(records=(record,)), baseline)
    return max(0.0, quality) + sum(b.excess for b in breaches) if breaches else quality


def _threshold(knowledge: Knowledge) -> float | None:
    return threshold(knowledge.records, knowledge.problem.target, knowledge.observations.measured)


def _believed(config: TrialConfig, knowledge: Knowledge) -> float:
    """The study's objective of a configuration."""
    predictions = knowledge.predictions
    return float(predictions.objective[predictions.candidates.index[config]])
