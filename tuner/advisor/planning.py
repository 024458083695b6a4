"""Plans the next run: by our own model, or by a sampler of Optuna whose finds the model verifies.

In both cases one judgement decides what may be recommended, and when the search is over its certificate is
run: one trial at a time, with nothing beside it.
"""

from __future__ import annotations

from tuner.advisor.agenda import Task
from tuner.advisor.judgement import plain_of, recommended
from tuner.advisor.knowledge import Knowledge
from tuner.certificate import next_run
from tuner.core.recommend import Recommendation
from tuner.core.study import StudySpec
from tuner.core.study_sections import SURROGATE
from tuner.core.trial import Purpose
from tuner.errors import SpecError
from tuner.search import OptunaProposer, Proposer
from tuner.search.policy.probing import ProbeStep
from tuner.search.policy.stopping import Decided
from tuner.search.policy.strategy import RunStep, Strategy

LEAST_PROBE_LIMIT_S = 5.0
"""Seconds that a start in a probe is always allowed."""

MAX_DISTURBED_RUNS = 3
"""Runs of a configuration that others disturbed: on a machine where all are, no more are tried."""


def make_proposer(study: StudySpec) -> Proposer | None:
    """Returns the study's sampler; None if our own model proposes.

    Raises:
        SpecError: The sampler, or an option of it, is wrong.
    """
    with study.locating("search"):
        if study.search.sampler != SURROGATE:
            return OptunaProposer(study.lattice, study.search.sampler, study.search.options, study.seed)
        if study.search.options:
            given = ", ".join(study.search.options)
            raise SpecError(
                f"the sampler {SURROGATE!r} has no options, but is given {given}.",
                "drop them; `decision` says what may be recommended.",
            )
    return None


def next_step(
    study: StudySpec,
    knowledge: Knowledge,
    proposer: Proposer | None,
    trial_id: str,
    *,
    is_searching: bool,
    has_time: bool,
    probe_cost_s: float | None,
) -> Task | ProbeStep | Decided:
    """Returns the next step. Decided, while trials run, holds only if they end as expected.

    Args:
        study: Says what its certificate is to prove.
        knowledge: Records, probes and the predictions from both.
        proposer: The study's sampler; None: the model of search proposes.
        trial_id: Id of the trial, if one is to be run.
        is_searching: Whether new configurations may still be tried.
        has_time: Whether more runs of known ones leave the certificate its time.
        probe_cost_s: Seconds a probed configuration takes; None when there is no probing.
    """
    if any(record.purpose is Purpose.CERTIFY for record in knowledge.running):
        return Decided(reason="")
    is_certifying = any(record.purpose is Purpose.CERTIFY for record in knowledge.records)
    strategy = Strategy(
        knowledge.predictions,
        knowledge.running,
        probe_cost_s,
        is_certifying=is_certifying,
        admission=knowledge.admission,
    )
    step: RunStep | ProbeStep | Decided | None
    if is_searching:
        step = _searched(strategy, proposer, trial_id, knowledge.problem.seed)
    else:
        step = strategy.verification() if has_time else None
    if isinstance(step, RunStep):
        is_new = step.config not in knowledge.observations.num_asked
        return Task(Purpose.SEARCH if is_new else Purpose.REPLICATE, step.config, step.seed)
    if isinstance(step, ProbeStep):
        return step
    found = recommended(study, knowledge)
    last: Task | Decided | None = None
    if found is not None:
        last = (_plain_run(study, found, knowledge) if has_time else None) or _finishing(
            study, found, knowledge, strategy
        )
    return last or step or Decided(reason="")


def _searched(
    strategy: Strategy, proposer: Proposer | None, trial_id: str, seed: int
) -> RunStep | ProbeStep | Decided:
    if proposer is None:
        return strategy.next_step()
    if step := strategy.verification():
        return step
    config = proposer.propose(trial_id)
    if config is None:
        return Decided(reason="every legal configuration has been tried")
    return RunStep(config=config, seed=seed)


def _plain_run(study: StudySpec, found: Recommendation, knowledge: Knowledge) -> Task | Decided | None:
    """A run of the winner with the baseline's values where they change nothing, with a seed of the winner's.

    So that what is recommended and certified is what goes into the pipeline. Once: if that run fails, or
    shows an effect after all, the winner stays as it is. Decided while it is under way.
    """
    plain = plain_of(study, knowledge, found.estimate.config)
    observations = knowledge.observations
    asked = [record for record in knowledge.records if record.config == plain]
    if any(record in knowledge.running for record in asked):
        return Decided(reason="")
    is_tried = any(record.purpose is Purpose.REPLICATE for record in asked)
    is_lost = plain in observations.infeasible or plain in observations.failed
    if plain == found.estimate.config or plain in observations.measured or is_tried or is_lost:
        return None
    seeds = found.estimate.seeds
    fresh = (seed for seed in seeds if seed not in observations.seeds.get(plain, ()))
    return Task(Purpose.REPLICATE, plain, next(fresh, seeds[0]))


def _finishing(
    study: StudySpec, found: Recommendation, knowledge: Knowledge, strategy: Strategy
) -> Task | Decided | None:
    """The next run of the certificate, once nothing else runs; then what others disturbed, again."""
    if study.baseline not in knowledge.observations.measured:
        return None
    wanted = next_run(
        knowledge.records,
        found.estimate.config,
        study.baseline,
        study.goal,
        study.certificate,
        guide=study.guide,
        first_seed=knowledge.problem.seed,
    )
    if wanted is None:
        return _undisturbed(found, knowledge, strategy)
    return Decided(reason="") if knowledge.running else Task(Purpose.CERTIFY, *wanted)


def _undisturbed(found: Recommendation, knowledge: Knowledge, strategy: Strategy) -> Task | None:
    """One more run of the winner or the baseline when others disturbed all it had, which were few."""
    observations = knowledge.observations
    for config in (found.estimate.config, knowledge.problem.baseline):
        known = observations.measured.get(config)
        if known and known.is_contended and observations.num_asked[config] < MAX_DISTURBED_RUNS:
            return Task(Purpose.REPLICATE, config, strategy.next_seed(config))
    return None


def probe_limit_s(knowledge: Knowledge) -> float:
    """Seconds until the baseline had reported its first epoch: a start that takes longer is no probe.

    Returns:
        0 if there is no limit: the stage itself sees to it that a probe is short, or the baseline is unknown.
    """
    baseline = knowledge.observations.measured.get(knowledge.problem.baseline)
    if baseline is None or not knowledge.problem.traits.probes_in_proportion:
        return 0.0
    first = baseline.records[0].measurements[0]
    seconds = first.setup_time_s + first.warmup_time_s + first.time_s + first.evaluate_time_s
    return round(max(LEAST_PROBE_LIMIT_S, seconds), 3)
