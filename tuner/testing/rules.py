"""The contract suite of a stopping rule: questions as the advisor asks them, and what no answer may be."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.measurement import Measurement, Status
from tuner.core.trial import TrialRecord, TrialState
from tuner.scheduling import Continue, Decision, Evidence, Rival, Stop, StoppingRule, make_rule
from tuner.testing.clauses import Clause, Seen, clause, run_clauses

NUM_EPOCHS = 4
BASELINE = TrialConfig(batch_size=6, micro_batch=3, num_taus=5)
FAST = TrialConfig(batch_size=12, micro_batch=12, num_taus=2)
Question = tuple[TrialRecord, Evidence]


@dataclass(kw_only=True)
class RuleCase:
    """A stopping rule on the bench.

    Attributes:
        rule: Name of the rule (`feasible_and_faster`, `module:Class`), or a class or function that makes
            one, or a rule itself.
        options: Handed to what makes it.
    """

    rule: str | StoppingRule | Callable[..., StoppingRule]
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> StoppingRule:
        """A rule; a new one where it can be made anew."""
        if isinstance(self.rule, str):
            return make_rule(self.rule, self.options)
        is_ready = hasattr(self.rule, "decide") and not inspect.isclass(self.rule)
        return self.rule if is_ready else self.rule(**self.options)  # type: ignore[return-value, operator]


def trial_of(
    curve: Sequence[float],
    *,
    epoch_time_s: float = 1.0,
    num_epochs: int = NUM_EPOCHS,
    state: TrialState = TrialState.RUNNING,
    config: TrialConfig = BASELINE,
    broken: Status | None = None,
    trial_id: str = "0007",
) -> TrialRecord:
    """A trial that reported `curve`, then `broken` when that is given."""

    def report(status: Status, epoch: int, nrmse: float, error: str = "") -> Measurement:
        time_s = min(epoch, len(curve)) * epoch_time_s
        return Measurement(
            status=status, epoch=epoch, nrmse=nrmse, time_s=time_s, epoch_time_s=epoch_time_s, error=error
        )

    reports = [report(Status.OK, epoch, nrmse) for epoch, nrmse in enumerate(curve, start=1)]
    if broken:
        reports.append(report(broken, len(curve) + 1, math.nan, "it broke"))
    return TrialRecord(
        trial_id=trial_id,
        config=config,
        seed=0,
        num_epochs=num_epochs,
        state=state,
        measurements=tuple(reports),
    )


def complete(
    num: int, *, num_epochs: int = NUM_EPOCHS, config: TrialConfig = FAST
) -> tuple[TrialRecord, ...]:
    """Trials that ran to the end, at NRMSE .09 within a second an epoch."""
    curve = [0.09 * (1 + 0.1 * (num_epochs - k)) for k in range(1, num_epochs + 1)]
    state = TrialState.COMPLETE
    return (trial_of(curve, num_epochs=num_epochs, state=state, config=config),) * num


def broken_trials() -> tuple[TrialRecord, ...]:
    """Trials that ran out of memory or diverged, at once and later, one that was lost and one stopped."""
    infeasible = (
        trial_of(curve, broken=status, state=TrialState.INFEASIBLE)
        for curve in ([], [0.2])
        for status in (Status.OOM, Status.NAN)
    )
    lost, stopped = trial_of([], state=TrialState.FAILED), trial_of([0.3], state=TrialState.STOPPED)
    return (*infeasible, lost, stopped)


def rivals_of(records: Sequence[TrialRecord], probability: float | None = None) -> tuple[Rival, ...]:
    """The records as those of other trials: each with an id and a configuration of its own."""
    return tuple(
        Rival(
            record=replace(record, trial_id=f"{k:04d}", config=replace(BASELINE, batch_size=6 * k)),
            probability=probability,
        )
        for k, record in enumerate(records, start=8)
    )


def rivals(num_epochs: int = NUM_EPOCHS) -> tuple[TrialRecord, ...]:
    """Trials of the search: complete, running and stopped ones at every epoch, good and poor ones."""
    complete_ones = complete(2, num_epochs=num_epochs)
    partial = (
        trial_of([nrmse] * epoch, epoch_time_s=epoch_time_s, num_epochs=num_epochs, state=state)
        for state in (TrialState.RUNNING, TrialState.STOPPED)
        for epoch in range(1, num_epochs)
        for nrmse, epoch_time_s in ((0.06, 0.5), (0.3, 2.0))
    )
    return (*complete_ones, *partial)


def questions() -> Iterator[Question]:
    """Good, middling and hopeless trials at every epoch but the last, with little to much evidence."""
    for evidence in (Evidence(), *evidences()):
        for epoch in range(1, NUM_EPOCHS):
            for nrmse, epoch_time_s in ((0.05, 0.1), (0.1, 1.0), (9.0, 100.0), (0.05, 100.0), (9.0, 0.1)):
                curve = [nrmse * (1 + 0.1 * (NUM_EPOCHS - k)) for k in range(1, epoch + 1)]
                yield trial_of(curve, epoch_time_s=epoch_time_s), evidence


def evidences(num_epochs: int = NUM_EPOCHS) -> Iterator[Evidence]:
    """Yields evidence: a threshold, an incumbent, 1 to 12 finished trials, and rivals at every epoch."""
    others = rivals(num_epochs)
    for num in (1, 3, 12):
        finished = complete(num, num_epochs=num_epochs)
        incumbent = Estimate(records=finished[:1])
        yield Evidence(finished=finished, incumbent=incumbent, threshold=0.095)
        yield Evidence(finished=finished, incumbent=incumbent, threshold=0.095, probability=0.001)
        yield Evidence(finished=finished, threshold=0.095)
    unknown, improbable = rivals_of(others), rivals_of(others, 0.3)
    yield Evidence(finished=complete(3, num_epochs=num_epochs), threshold=0.095, rivals=unknown)
    yield Evidence(finished=complete(3, num_epochs=num_epochs), threshold=0.095, rivals=improbable)
    yield Evidence(rivals=unknown)


def _stops(rule: StoppingRule, asked: Iterator[Question]) -> Iterator[tuple[TrialRecord, Stop]]:
    for trial, evidence in asked:
        decision = rule.decide(trial, evidence)
        if isinstance(decision, Stop):
            yield trial, decision


@clause("return Continue() or Stop(reason), from tuner.scheduling.")
def it_answers_continue_or_stop(case: RuleCase) -> Seen:
    """Checks that the rule answers every question of a study where nothing went wrong."""
    rule = case.make()
    for trial, evidence in questions():
        decision: object = rule.decide(trial, evidence)
        if not isinstance(decision, Continue | Stop):
            return f"{decision!r} after epoch {trial.epoch}"
    return None


@clause(
    "keep nothing between questions; read no clock and draw nothing.", needs=[it_answers_continue_or_stop]
)
def the_same_question_has_the_same_answer(case: RuleCase) -> Seen:
    """Asked twice in a row, in the opposite order, and of another rule made alike."""
    asked, rule = list(questions()), case.make()

    def answers(rule: StoppingRule) -> list[Decision]:
        return [rule.decide(*question) for question in asked]

    first, again, other = answers(rule), answers(rule), answers(case.make())
    backwards = [rule.decide(*question) for question in reversed(asked)][::-1]
    for (trial, _), *given in zip(asked, first, again, backwards, other, strict=True):
        if len({repr(decision) for decision in given}) > 1:
            return f"{given[0]} and then {next(d for d in given if repr(d) != repr(given[0]))} on {trial}"
    return None


@clause("make new values; a record is shared with the journal.", needs=[it_answers_continue_or_stop])
def a_question_is_left_as_it_was(case: RuleCase) -> Seen:
    """Checks that the rule changes neither the trial nor the evidence."""
    rule = case.make()
    for question in questions():
        before = repr(question)
        rule.decide(*question)
        if repr(question) != before:
            return f"{before} became {question!r}"
    return None


@clause("return Continue() when trial.epoch is trial.num_epochs.", needs=[it_answers_continue_or_stop])
def nothing_is_stopped_at_its_full_budget(case: RuleCase) -> Seen:
    """All of the trial has been paid for by then."""
    whole = [trial_of([nrmse] * NUM_EPOCHS, epoch_time_s=100.0) for nrmse in (0.05, 9.0)]
    asked = ((trial, evidence) for evidence in evidences() for trial in whole)
    return next((f"{stop.reason!r} at NRMSE {t.nrmse}" for t, stop in _stops(case.make(), asked)), None)


@clause(
    "return Continue() while nothing else has run and there is neither incumbent nor threshold.",
    needs=[it_answers_continue_or_stop],
)
def nothing_is_stopped_without_evidence(case: RuleCase) -> Seen:
    """Checks that the first trial goes on, whatever its NRMSE and time: there is nothing to be worse than."""
    asked = (question for question in questions() if question[1] == Evidence())
    return next((f"{stop.reason!r} on {t.nrmse_curve}" for t, stop in _stops(case.make(), asked)), None)


@clause("say in one line why, with the figures it was judged by.", needs=[it_answers_continue_or_stop])
def a_reason_is_one_line_with_a_number(case: RuleCase) -> Seen:
    """Checks that a stop has a reason, which is kept in the record and shown."""
    for _, stop in _stops(case.make(), questions()):
        reason: object = stop.reason
        is_line = isinstance(reason, str) and reason.strip() and "\n" not in reason
        if not is_line or not any(letter.isdigit() for letter in str(reason)):
            return repr(reason)
    return None


@clause(
    "look at status, state and is_full_budget before using a figure; nrmse_curve has what went well.",
    needs=[it_answers_continue_or_stop],
)
def trials_that_broke_do_not_disturb_it(case: RuleCase) -> Seen:
    """Out of memory, NaN, lost, stopped or without a report: as evidence, rivals, and the trial itself."""
    rule, broken = case.make(), broken_trials()
    rivals = rivals_of([*broken, trial_of([])])
    for evidence in evidences():
        among = replace(evidence, finished=(*broken, *evidence.finished), rivals=(*rivals, *evidence.rivals))
        only = Evidence(finished=broken, rivals=rivals, threshold=evidence.threshold)
        asked = [(trial_of([0.2]), among), (trial_of([0.2]), only)]
        asked += [(trial_of([], broken=status), among) for status in (Status.OOM, Status.NAN)]
        asked += [(trial_of([0.2], broken=Status.NAN), among), (trial_of([]), among)]
        for question in asked:
            decision: object = rule.decide(*question)
            if not isinstance(decision, Continue | Stop):
                return f"{decision!r} on {question[0]}"
    return None


@clause("allow for num_epochs of 1: the first report is the last.", needs=[it_answers_continue_or_stop])
def a_study_of_one_epoch_is_never_stopped(case: RuleCase) -> Seen:
    """There is no epoch to save."""
    asked = ((trial_of([9.0], epoch_time_s=9.0, num_epochs=1), e) for e in (Evidence(), *evidences(1)))
    return next((f"{stop.reason!r}" for _, stop in _stops(case.make(), asked)), None)


def rule_clauses() -> list[Clause[RuleCase]]:
    """The clauses of a stopping rule's contract, in the order in which they make sense."""
    return [
        it_answers_continue_or_stop,
        the_same_question_has_the_same_answer,
        a_question_is_left_as_it_was,
        nothing_is_stopped_at_its_full_budget,
        nothing_is_stopped_without_evidence,
        a_reason_is_one_line_with_a_number,
        trials_that_broke_do_not_disturb_it,
        a_study_of_one_epoch_is_never_stopped,
    ]


def check_stopping_rule(
    rule: str | StoppingRule | Callable[..., StoppingRule], options: Mapping[str, Any] | None = None
) -> None:
    """Checks a stopping rule; arguments as of `RuleCase`.

    Raises:
        ContractError: Clauses are broken; lists all of them.
        SpecError: The rule cannot be made.
    """
    case = RuleCase(rule=rule, options=options or {})
    case.make()
    run_clauses(rule_clauses(), case)
