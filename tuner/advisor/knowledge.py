"""What an advisor knows: the records of its trials, what probes said, and the beliefs these give rise to.

Beliefs are made when asked for and kept until something changes; they depend on what is known, never on
when they were asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tuner.core.config import TrialConfig
from tuner.core.prior import Prior
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.agreement import MAX_CHECKED, disagreement
from tuner.search.beliefs import Beliefs
from tuner.search.grid import Grid
from tuner.search.learner import Learner, mark
from tuner.search.ledger import Ledger, Probed
from tuner.search.pooling import Siblings
from tuner.search.problem import Problem
from tuner.spec import StudySpec


class Knowledge:
    """Records and probes of one study, in the order of asking.

    Args:
        problem: What beliefs are about.
        prior: What an earlier run taught of NRMSE.

    Attributes:
        problem: As given.
        ledger: What was heard.
        prior: As given, until the first runs here contradict it: then None, for good.
        contradiction: Why it was dropped, in words; empty while it was not.
        pooling_contradiction: Why runs that differ only in what cannot change NRMSE, as the stage says, are
            not pooled any more; empty while they are.
    """

    def __init__(self, problem: Problem, prior: Prior | None = None) -> None:
        self.problem, self.prior, self.contradiction = problem, prior, ""
        self.pooling_contradiction = ""
        self._siblings = Siblings(problem.traits.quality_invariant_to)
        self.ledger = Ledger()
        self._learner = Learner(problem, self.ledger, prior)
        self._tried_at_mark: tuple[TrialConfig, ...] = ()
        self._grid: Grid | None = None
        self._beliefs: Beliefs | None = None

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        """Every trial ever asked for."""
        return tuple(self.ledger.records.values())

    @property
    def running(self) -> tuple[TrialRecord, ...]:
        """The trials whose end has not been told."""
        return tuple(self.ledger.running.values())

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The trials that ran to their full budget."""
        return tuple(self.ledger.complete)

    @property
    def beliefs(self) -> Beliefs:
        """What all this lets one believe; a running trial counts only when it has ended."""
        if self._beliefs is None:
            self._beliefs = Beliefs(self.problem, self._current_grid(), self.ledger, self._learner)
        return self._beliefs

    def beliefs_over(self, grid: Grid) -> Beliefs:
        """The same over other candidates, every configuration of a record or a probe among them."""
        return Beliefs(self.problem, grid, self.ledger, Learner(self.problem, self.ledger, self.prior))

    def _current_grid(self) -> Grid:
        if not (self._grid and self._stays(self._grid)):
            at_mark = self._tried_at_mark or self._tried
            self._grid = Grid(self.problem, (self.problem.baseline, *at_mark), self._tried)
        return self._grid

    def chance(self, record: TrialRecord) -> float | None:
        """That a trial's configuration meets the target, its curve so far included; None while unknown."""
        beliefs = self.beliefs
        if record.state is TrialState.RUNNING:
            return beliefs.outlook(record)
        return beliefs.probability(record.config) if beliefs.margins else None

    @property
    def _tried(self) -> tuple[TrialConfig, ...]:
        return tuple(self.ledger.seeds | self.ledger.probes)

    def _stays(self, grid: Grid) -> bool:
        """Whether the candidates are still those that a new grid would hold."""
        is_drawn = not grid.is_complete and not self._tried_at_mark
        return not is_drawn and all(map(grid.covers, self._tried))

    def record(self, trial_id: str) -> TrialRecord:
        """What is known of one trial.

        Raises:
            KeyError: It was never asked for.
        """
        if trial_id not in self.ledger.records:
            raise KeyError(f"the advisor never asked for a trial {trial_id!r}")
        return self.ledger.records[trial_id]

    def put(self, record: TrialRecord) -> None:
        """Takes a trial's newest record."""
        before = len(self.ledger.ended)
        if self.ledger.put(record):
            self._beliefs = None
        num = len(self.ledger.ended)
        if num != before and mark(num) == num:
            self._tried_at_mark = self._tried
            if self._grid and not self._grid.is_complete:
                self._grid = None
        if num != before and record.is_full_budget:
            self._check_pooling(record)
            if self.prior is not None:
                self._check_prior(self.prior)

    def _check_pooling(self, record: TrialRecord) -> None:
        """Stops believing a stage that its runs contradict, and begins anew without what it said."""
        if not self.problem.traits.quality_invariant_to:
            return
        self.pooling_contradiction = self._siblings.contradiction_by(record)
        if self.pooling_contradiction:
            traits = replace(self.problem.traits, quality_invariant_to=())
            self.problem = replace(self.problem, traits=traits)
            self._learner = Learner(self.problem, self.ledger, self.prior)
            self._grid = None

    def _check_prior(self, prior: Prior) -> None:
        """Drops a prior that the first runs contradict."""
        if len(self.complete) > MAX_CHECKED:
            return
        in_order = tuple(record for record in self.records if record.is_full_budget)
        self.contradiction = disagreement(prior, self._current_grid(), in_order)
        if self.contradiction:
            self.prior = None
            self._learner = Learner(self.problem, self.ledger)

    def put_probes(self, probes: Iterable[Probed]) -> None:
        """Takes what a probe said; of a configuration probed twice, the newer counts."""
        for probed in probes:
            self.ledger.put_probe(probed)
        self._beliefs = None


def problem_of(study: StudySpec, traits: StageTraits) -> Problem:
    """What a study looks for, in the words of search."""
    return Problem(
        lattice=study.lattice,
        target=study.target.tightened(study.decision.margin_pct),
        baseline=study.baseline,
        num_samples=study.stage.num_samples,
        num_epochs=study.stage.num_epochs,
        traits=traits,
        seed=study.seed,
        max_error=study.decision.max_error,
        objective=study.objective,
        limits=study.limits,
    )
