"""Finds the admitted configurations, and the one to recommend now. Does not decide what to run.

A parameter that changes nothing gets some value in whatever the search finds. So what is recommended is the
*plain* configuration, with the baseline's values in such places, once that has been run itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuner.advisor.knowledge import Knowledge
from tuner.certificate import subject
from tuner.core.config import TrialConfig
from tuner.core.effects import to_export
from tuner.core.estimate import Estimate
from tuner.core.recommend import Recommendation, recommend
from tuner.core.study import StudySpec
from tuner.core.twins import is_equal

Admitted = dict[TrialConfig, float]
"""Configurations with the probability that their mean NRMSE meets the target."""


def admitted(study: StudySpec, knowledge: Knowledge) -> Admitted:
    """Returns the admitted configurations with the probability that their mean NRMSE meets the target.

    The best comes first, by what is believed of its objective: a single short time may be luck. The plain
    configuration takes the place of the one that it equals in effect, and its probability if they have the
    same NRMSE with the same seeds; else it must be admitted itself. What equals the baseline in effect is no
    better, whatever its clock.
    """
    found = _recommendable(knowledge)
    while (best := _recommended(knowledge, found)) is not None:
        config = best.estimate.config
        plain = plain_of(study, knowledge, config)
        if plain == config:
            break
        others = {c: found[c] for c in found if c not in (config, plain)}
        if plain == study.baseline:
            found = others
            continue
        probability = found.get(plain) or (found[config] if _is_equal(knowledge, plain, config) else None)
        if probability is None or _recommended(knowledge, {plain: probability}) is None:
            break
        found = {plain: probability} | others
    return found


def recommended(study: StudySpec, knowledge: Knowledge) -> Recommendation | None:
    """Returns the configuration to run instead of the baseline, as far as is known; None if there is none."""
    return _recommended(knowledge, admitted(study, knowledge))


def plain_of(study: StudySpec, knowledge: Knowledge, config: TrialConfig) -> TrialConfig:
    """Returns a configuration with the baseline's values of the parameters that change nothing.

    What a certificate has been begun for stays as it is: there is no certificate of two configurations. The
    certificate's runs change nothing here either: they could only bring back what it was not begun for.
    """
    if subject(knowledge.records, study.baseline, study.guide) == config:
        return config
    twins, is_legal = knowledge.observations.twins, study.lattice.keeps_constraints
    return to_export(twins, study.baseline, config, is_legal).config


def incumbent(knowledge: Knowledge) -> Estimate | None:
    """Returns the best recommendable configuration; None if there is none."""
    return _first(knowledge.admission.recommendable, knowledge)


def qualified(knowledge: Knowledge) -> Estimate | None:
    """Returns the best qualified configuration, which a trial has to be better than; None without one."""
    return _first(knowledge.admission.qualified, knowledge)


def _first(configs: Sequence[TrialConfig], knowledge: Knowledge) -> Estimate | None:
    return knowledge.predictions.measured[configs[0]] if configs else None


def _recommendable(knowledge: Knowledge) -> Admitted:
    predictions = knowledge.predictions
    return {config: predictions.probability(config) for config in knowledge.admission.recommendable}


def _recommended(knowledge: Knowledge, found: Admitted) -> Recommendation | None:
    known = knowledge.observations.measured
    return recommend(knowledge.records, knowledge.problem.goal, found, known)


def _is_equal(knowledge: Knowledge, plain: TrialConfig, config: TrialConfig) -> bool:
    """Whether both ran with one seed at least, and had the same NRMSE with every such seed."""
    measured = knowledge.observations.measured
    if plain not in measured:
        return False
    theirs = {run.seed: run.nrmse for run in measured[config].records}
    both = [(run.nrmse, theirs[run.seed]) for run in measured[plain].records if run.seed in theirs]
    return bool(both) and all(is_equal(*pair) for pair in both)
