"""Finds the admitted configurations, and the one to recommend now. Does not decide what to run."""

from __future__ import annotations

from tuner.advisor.knowledge import Knowledge
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.recommend import Recommendation, recommend
from tuner.search.policy.admission import Admission


def admitted(knowledge: Knowledge) -> dict[TrialConfig, float]:
    """Returns the admitted configurations with the probability that their mean NRMSE meets the target."""
    predictions = knowledge.predictions
    return {config: predictions.probability(config) for config in Admission(predictions).admitted}


def recommended(knowledge: Knowledge) -> Recommendation | None:
    """Returns the configuration to run instead of the baseline, as far as is known; None if there is none."""
    known = knowledge.observations.measured
    return recommend(knowledge.records, knowledge.problem.goal, admitted(knowledge), known)


def incumbent(knowledge: Knowledge) -> Estimate | None:
    """Returns the best admitted configuration; None if there is none."""
    predictions, index = knowledge.predictions, knowledge.predictions.candidates.index
    best = min(admitted(knowledge), key=lambda c: predictions.objective[index[c]], default=None)
    return None if best is None else predictions.measured[best]
