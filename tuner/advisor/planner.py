"""What to run next: by the model of search, or by a sampler of Optuna whose finds the model verifies.

In both cases one judgement decides what may be recommended, and when the search is over its certificate is
run: one trial at a time, with nothing beside it.
"""

from __future__ import annotations

from typing import NamedTuple

from tuner.advisor.knowledge import Knowledge
from tuner.core.certificate import Terms, next_run
from tuner.core.config import TrialConfig
from tuner.core.recommend import Recommendation, recommend
from tuner.core.trial import Purpose, TrialRecord
from tuner.errors import SpecError
from tuner.search import OptunaProposer, Outcome, Proposer
from tuner.search.strategy import Decided, ProbeStep, RunStep, Strategy
from tuner.spec import StudySpec

SURROGATE = "surrogate"

MAX_DISTURBED = 3
"""Runs of a configuration that others disturbed: on a machine where all are, no more are tried."""


class Task(NamedTuple):
    """A trial to be asked for."""

    purpose: Purpose
    config: TrialConfig
    seed: int


class Planner:
    """Plans one study.

    Args:
        study: Names the sampler.

    Raises:
        SpecError: The study's sampler, or an option of it, is wrong.
    """

    def __init__(self, study: StudySpec) -> None:
        self._study = study
        self._proposer: Proposer | None = None
        with study.locating("search"):
            if study.search.sampler != SURROGATE:
                self._proposer = OptunaProposer(
                    study.lattice, study.search.sampler, study.search.options, study.seed
                )
            elif study.search.options:
                given = ", ".join(study.search.options)
                raise SpecError(
                    f"the sampler {SURROGATE!r} has no options, but is given {given}.",
                    "drop them; `decision` says what may be recommended.",
                )

    def next(
        self,
        knowledge: Knowledge,
        trial_id: str,
        *,
        terms: Terms,
        is_searching: bool,
        has_time: bool,
        probe_cost_s: float | None,
    ) -> Task | ProbeStep | Decided:
        """What to do now; Decided while trials run means: nothing, unless they end unexpectedly.

        Args:
            knowledge: What is known.
            trial_id: Of the trial, if there is to be one.
            terms: What a certificate is to prove.
            is_searching: Whether new configurations may still be tried.
            has_time: Whether more runs of known ones leave the certificate its time.
            probe_cost_s: Seconds a probed configuration takes; None when there is no probing.
        """
        if any(record.purpose is Purpose.CERTIFY for record in knowledge.running):
            return Decided(reason="")
        strategy = Strategy(knowledge.beliefs, knowledge.running, probe_cost_s)
        step: RunStep | ProbeStep | Decided | None
        if is_searching:
            step = self._searched(strategy, trial_id)
        else:
            step = (strategy.verification() if has_time else None) or strategy.confirmation()
        if isinstance(step, RunStep):
            is_new = step.config not in knowledge.ledger.num_asked
            return Task(Purpose.SEARCH if is_new else Purpose.REPLICATE, step.config, step.seed)
        if isinstance(step, ProbeStep):
            return step
        found = recommended(knowledge)
        last = self._finishing(found, knowledge, strategy, terms) if found else None
        return last or step or Decided(reason="")

    def _finishing(
        self, found: Recommendation, knowledge: Knowledge, strategy: Strategy, terms: Terms
    ) -> Task | Decided | None:
        """The next run of the certificate, once nothing else runs; then what others disturbed, again."""
        best, baseline = found.estimate.config, self._study.baseline
        if baseline not in knowledge.ledger.measured:
            return None
        wanted = next_run(
            knowledge.records,
            best,
            baseline,
            self._study.goal,
            terms,
            guide=self._study.guide,
            first_seed=knowledge.problem.seed,
        )
        if wanted is None:
            return _undisturbed(found, knowledge, strategy)
        return Decided(reason="") if knowledge.running else Task(Purpose.CERTIFY, *wanted)

    def _searched(self, strategy: Strategy, trial_id: str) -> RunStep | ProbeStep | Decided:
        if self._proposer is None:
            return strategy.next_step()
        if step := strategy.verification():
            return step
        config = self._proposer.propose(trial_id)
        if config is None:
            return strategy.confirmation() or Decided(reason="every legal configuration has been tried")
        return RunStep(config=config, seed=self._study.seed)

    def is_proposal(self, task: Task) -> bool:
        """Whether a task is a sampler's, which counts it as asked for: it cannot be taken back."""
        return self._proposer is not None and task.purpose is Purpose.SEARCH

    def started(self, record: TrialRecord) -> None:
        """Called when a trial that the planner did not choose by its sampler is asked for."""
        if self._proposer is not None:
            self._proposer.adopt(record.trial_id, record.config)

    def ended(self, record: TrialRecord, outcome: Outcome | None) -> None:
        """Called with every ended record."""
        if self._proposer is not None:
            self._proposer.tell(record, outcome)

    def close(self) -> None:
        """Called when nothing more will be asked."""
        if self._proposer is not None:
            self._proposer.close()


def _undisturbed(found: Recommendation, knowledge: Knowledge, strategy: Strategy) -> Task | None:
    """One more run of the winner or the baseline when others disturbed all it had, which were few."""
    ledger = knowledge.ledger
    for config in (found.estimate.config, knowledge.problem.baseline):
        known = ledger.measured.get(config)
        if known and known.is_contended and ledger.num_asked[config] < MAX_DISTURBED:
            return Task(Purpose.REPLICATE, config, strategy.next_seed(config))
    return None


def recommended(knowledge: Knowledge) -> Recommendation | None:
    """What to run instead of the baseline, as far as is known; None when nothing deserves it."""
    known = knowledge.ledger.measured
    return recommend(knowledge.records, knowledge.problem.goal, certified(knowledge), known)


def certified(knowledge: Knowledge) -> dict[TrialConfig, float]:
    """What may be relied on, and the probability that its mean NRMSE meets the target."""
    strategy = Strategy(knowledge.beliefs)
    return {config: knowledge.beliefs.probability(config) for config in strategy.confirmed}
