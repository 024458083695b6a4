"""What a stopping rule and a sampler are told of a trial, put together from all that is known."""

from __future__ import annotations

from tuner.advisor.knowledge import Knowledge
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.goal import Objective
from tuner.core.recommend import baseline_estimate, threshold
from tuner.core.trial import TrialRecord
from tuner.scheduling import Evidence, Rival, comparable, project
from tuner.search import Outcome


def evidence(record: TrialRecord, knowledge: Knowledge, incumbent: Estimate | None) -> Evidence:
    """What a stopping rule is told beside a running trial.

    Args:
        record: Of the trial, its newest report included.
        knowledge: What is known.
        incumbent: The best configuration that may be relied on; None before there is one.
    """
    return Evidence(
        finished=knowledge.complete,
        rivals=tuple(
            Rival(record=other, probability=knowledge.chance(other))
            for other in comparable(record, knowledge.records)
        ),
        incumbent=incumbent,
        objective=knowledge.problem.objective,
        to_beat=None if incumbent is None else _believed(incumbent.config, knowledge),
        threshold=_threshold(knowledge),
        probability=knowledge.chance(record),
    )


def outcome(record: TrialRecord, knowledge: Knowledge) -> Outcome | None:
    """What a sampler is told of a trial at full budget; None when it has no figures."""
    if record.is_full_budget:
        time_s, nrmse, bound = record.time_s, record.nrmse, record.nrmse
    elif projection := project(record, knowledge.complete):
        time_s, nrmse, bound = projection.time_s, projection.nrmse, projection.nrmse_optimistic
    else:
        return None
    limit = _threshold(knowledge)
    quality = bound - limit if bound and limit else 0.0  # 0: not known yet
    is_time = knowledge.problem.objective is Objective.TIME
    return Outcome(
        projected_objective=time_s if is_time else _believed(record.config, knowledge),
        projected_nrmse=nrmse,
        quality=_with_excess(quality, record, knowledge),
    )


def _with_excess(quality: float, record: TrialRecord, knowledge: Knowledge) -> float:
    """The violation of the target, and that of the limits as shares of an NRMSE of 1."""
    goal = knowledge.problem.goal
    if not (goal.limits and record.is_full_budget):
        return quality
    baseline = baseline_estimate(knowledge.records, knowledge.ledger.measured)
    breaches = goal.breaches(Estimate(records=(record,)), baseline)
    return max(0.0, quality) + sum(b.excess for b in breaches) if breaches else quality


def _threshold(knowledge: Knowledge) -> float | None:
    return threshold(knowledge.records, knowledge.problem.target, knowledge.ledger.measured)


def _believed(config: TrialConfig, knowledge: Knowledge) -> float:
    """The study's objective of a configuration."""
    beliefs = knowledge.beliefs
    return float(beliefs.objective[beliefs.grid.index[config]])
