"""What to run next: by the model of search, or by a sampler of Optuna whose finds the model verifies.

In both cases one judgement decides what is certified, and when the search is over the winner and the
baseline get the study's further seeds, the same for both.
"""

from __future__ import annotations

from typing import NamedTuple

from tuner.advisor.knowledge import Knowledge
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
        self, knowledge: Knowledge, trial_id: str, *, is_searching: bool, probe_cost_s: float | None
    ) -> Task | ProbeStep | Decided:
        """What to do now; Decided while trials run means: nothing, unless they end unexpectedly.

        Args:
            knowledge: What is known.
            trial_id: Of the trial, if there is to be one.
            is_searching: Whether new configurations may still be tried.
            probe_cost_s: Seconds a probed configuration takes; None when there is no probing.
        """
        strategy = Strategy(knowledge.beliefs, knowledge.running, probe_cost_s)
        step = (
            self._searched(strategy, trial_id)
            if is_searching
            else strategy.verification() or strategy.confirmation()
        )
        if isinstance(step, RunStep):
            is_new = step.config not in knowledge.ledger.num_asked
            return Task(Purpose.SEARCH if is_new else Purpose.REPLICATE, step.config, step.seed)
        if isinstance(step, ProbeStep):
            return step
        found = recommended(knowledge)
        last = (self._paired(found, knowledge) or _undisturbed(found, knowledge, strategy)) if found else None
        return last or step or Decided(reason="")

    def _searched(self, strategy: Strategy, trial_id: str) -> RunStep | ProbeStep | Decided:
        if self._proposer is None:
            return strategy.next_step()
        if step := strategy.verification():
            return step
        config = self._proposer.propose(trial_id)
        if config is None:
            return strategy.confirmation() or Decided(reason="every legal configuration has been tried")
        return RunStep(config=config, seed=self._study.seed)

    def _paired(self, found: Recommendation, knowledge: Knowledge) -> Task | None:
        """A seed that the winner or the baseline lacks of those the study wants of both.

        Runs of equal quality that a prior brings count; here each of the two runs once at least.
        """
        for config in (found.estimate.config, self._study.baseline):
            asked = knowledge.ledger.seeds.get(config, set())
            num_wanted = max(1, self._study.budget.seeds - knowledge.beliefs.num_prior_runs(config))
            for seed in range(self._study.seed, self._study.seed + num_wanted):
                if seed not in asked:
                    return Task(Purpose.REPLICATE, config, seed)
        return None

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
