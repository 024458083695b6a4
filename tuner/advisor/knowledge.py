"""The knowledge of an advisor: the records of its trials, what probes said, and predictions from both.

Predictions rest on the observations: the records without those of trials that were cut short and are asked
again. What a kill left of a trial must not change what is done afterwards.

Predictions are made when asked for and kept until something changes; they depend on what is known, never on
when they were asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tuner.advisor.facts import (
    Ended,
    Fact,
    PoolingDropped,
    ProbeDone,
    WarmStartDropped,
    record_after,
)
from tuner.advisor.messages import probed_of
from tuner.core.config import TrialConfig
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord, TrialState
from tuner.core.warm_start import WarmStart
from tuner.search.candidates import Candidates
from tuner.search.contradictions.of_invariance import Siblings
from tuner.search.contradictions.of_warm_start import MAX_COMPARED, contradiction_by
from tuner.search.models.fitted import FittedModels, mark
from tuner.search.observations import Observations, Probed
from tuner.search.policy.admission import Admission
from tuner.search.predictions import Predictions
from tuner.search.problem import Problem


class Knowledge:
    """Records and probes of one study, in the order of asking.

    Args:
        problem: The problem that predictions are about.
        warm_start: NRMSE results of an earlier run.

    Attributes:
        problem: The problem, as given.
        observations: Everything heard from trials and probes.
        warm_start: The warm start, as given, until the first runs here contradict it; then None, for good.
        contradiction: The reason why the warm start was dropped, in words; empty while it is used.
        pooling_contradiction: Why runs that differ only in what cannot change NRMSE, as the stage says, are
            not pooled any more; empty while they are.
    """

    def __init__(self, problem: Problem, warm_start: WarmStart | None = None) -> None:
        self.problem, self.warm_start, self.contradiction = problem, warm_start, ""
        self.pooling_contradiction = self._conflict = ""
        self._siblings = Siblings(problem.traits.quality_invariant_to, problem.target.metric)
        self.observations = Observations()
        self._records: dict[str, TrialRecord] = {}
        self._models = FittedModels(problem, self.observations, warm_start)
        self._tried_at_mark: tuple[TrialConfig, ...] = ()
        self._candidates: Candidates | None = None
        self._predictions: Predictions | None = None
        self._admission: tuple[Predictions, Admission] | None = None

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        """The records of every trial ever asked for, by id."""
        return tuple(self._records.values())

    @property
    def running(self) -> tuple[TrialRecord, ...]:
        """The trials whose end has not been told."""
        return tuple(self.observations.running.values())

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The trials that ran all epochs, in one go or not."""
        return tuple(self.observations.complete)

    @property
    def predictions(self) -> Predictions:
        """The predictions from everything known; a running trial counts only when it has ended."""
        if self._predictions is None:
            self._predictions = Predictions(
                self.problem, self._current_candidates(), self.observations, self._models
            )
        return self._predictions

    @property
    def admission(self) -> Admission:
        """What may be recommended by these predictions."""
        predictions = self.predictions
        if self._admission is None or self._admission[0] is not predictions:
            self._admission = predictions, Admission(predictions)
        return self._admission[1]

    def predictions_over(self, candidates: Candidates) -> Predictions:
        """Returns the predictions over other candidates, with every configuration of a record or a probe."""
        return Predictions(
            self.problem,
            candidates,
            self.observations,
            FittedModels(self.problem, self.observations, self.warm_start),
        )

    def _current_candidates(self) -> Candidates:
        if not (self._candidates and self._stays(self._candidates)):
            at_mark = self._tried_at_mark or self._tried
            self._candidates = Candidates(self.problem, (self.problem.baseline, *at_mark), self._tried)
        return self._candidates

    def chance(self, record: TrialRecord) -> float | None:
        """Returns the probability that a trial meets the target, given its curve; None while unknown."""
        predictions = self.predictions
        if record.state is TrialState.RUNNING:
            return predictions.outlook(record)
        return predictions.probability(record.config) if predictions.margins else None

    @property
    def _tried(self) -> tuple[TrialConfig, ...]:
        return tuple(self.observations.seeds | self.observations.probes)

    def _stays(self, candidates: Candidates) -> bool:
        """Whether drawing the candidates anew would give the same ones."""
        is_drawn = not candidates.is_complete and not self._tried_at_mark
        return not is_drawn and all(map(candidates.covers, self._tried))

    def record(self, trial_id: str) -> TrialRecord:
        """Returns the record of one trial.

        Raises:
            KeyError: The trial was never asked for.
        """
        if trial_id not in self._records:
            raise KeyError(f"the advisor never asked for a trial {trial_id!r}")
        return self._records[trial_id]

    def is_running(self, trial_id: str) -> bool:
        """Whether a trial was asked for and its end has not been told."""
        return trial_id in self.observations.running

    def put(self, record: TrialRecord) -> None:
        """Takes a trial's newest record."""
        before = len(self.observations.ended)
        self._records[record.trial_id] = record
        if self.observations.put(record):
            self._predictions = None
        num = len(self.observations.ended)
        if num != before and mark(num) == num:
            self._tried_at_mark = self._tried
            if self._candidates and not self._candidates.is_complete:
                self._candidates = None
        if num != before and record.is_whole and self.problem.traits.quality_invariant_to:
            self._conflict = self._siblings.contradiction_by(record)

    def end(self, record: TrialRecord, *, is_due_again: bool) -> None:
        """Takes the last record of a running trial; nothing is learnt from one that will be asked again."""
        if not is_due_again:
            self.put(record)
            return
        self._records[record.trial_id] = record
        self.observations.withdraw(record.trial_id)
        self._predictions = None

    def drop_contradicted(self, ended: TrialRecord) -> None:
        """Drops what was said beforehand, by the stage or by an earlier run, where a run contradicts it."""
        if not ended.is_whole:
            return
        if self._conflict:
            self.drop_pooling(self._conflict)
        if self.warm_start is not None and len(self.complete) <= MAX_COMPARED:
            in_order = tuple(record for record in self.records if record.is_whole)
            candidates, metric = self._current_candidates(), self.problem.target.metric
            if reason := contradiction_by(self.warm_start, candidates, in_order, metric):
                self.drop_warm_start(reason)

    def drop_pooling(self, reason: str) -> None:
        """Begins anew without what the stage said that NRMSE does not depend on."""
        self.pooling_contradiction, self._conflict = reason, ""
        self.problem = replace(self.problem, traits=replace(self.problem.traits, quality_invariant_to=()))
        self._models = FittedModels(self.problem, self.observations, self.warm_start)
        self._candidates = self._predictions = None

    def drop_warm_start(self, reason: str) -> None:
        """Begins anew without what an earlier run taught."""
        self.contradiction, self.warm_start = reason, None
        self._models = FittedModels(self.problem, self.observations)
        self._predictions = None

    def recall(self, fact: Fact) -> TrialRecord | None:
        """Takes over a fact heard before, without checking it again; returns the record that it changes.

        The last record of a trial is not taken yet: it is for `end`.
        """
        record = record_after(fact, self._records)
        if record is None:
            self._recall_other(fact)
        elif not isinstance(fact, Ended):
            self.put(record)
        return record

    def _recall_other(self, fact: Fact) -> None:
        match fact:
            case ProbeDone(results=results):
                self.put_probes(map(probed_of, results))
            case WarmStartDropped(reason=reason):
                self.drop_warm_start(reason)
            case PoolingDropped(reason=reason):
                self.drop_pooling(reason)

    def put_probes(self, probes: Iterable[Probed]) -> None:
        """Takes what a probe said; of a configuration probed twice, the newer counts."""
        for probed in probes:
            self.observations.put_probe(probed)
        self._predictions = None


def problem_of(study: StudySpec, traits: StageTraits) -> Problem:
    """Returns the search problem of a study, in the words of search."""
    return Problem(
        lattice=study.lattice,
        target=study.target.tightened(study.decision.margin_pct),
        baseline=study.baseline,
        num_samples=study.stage.num_samples,
        rows_per_sample=study.stage.rows_per_sample,
        num_epochs=study.stage.num_epochs,
        traits=traits,
        seed=study.seed,
        max_error=study.decision.max_error,
        trainings=study.decision.trainings,
        objective=study.objective,
        limits=study.limits,
    )
