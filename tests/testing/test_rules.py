"""Every shipped stopping rule keeps the contract; every clause of it can fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tuner.core.measurement import Status
from tuner.core.trial import TrialRecord
from tuner.errors import SpecError
from tuner.scheduling import Continue, Decision, Evidence, FeasibleAndFaster, Stop, StoppingRule
from tuner.scheduling.rules import RULES
from tuner.testing import ContractError, RuleCase, check_stopping_rule, rule_clauses


class Careful:
    """Stops what is over the threshold before its last epoch; keeps the contract."""

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        last = trial.last
        if last is None or last.status is not Status.OK or trial.epoch >= trial.num_epochs:
            return Continue()
        if evidence.threshold is None or trial.nrmse < evidence.threshold:
            return Continue()
        return Stop(f"NRMSE {trial.nrmse:.4f}")


def make_careful() -> Careful:
    return Careful()


class AnswersYes(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Any:
        return super().decide(trial, evidence) == Continue()


class AlwaysFails(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        raise KeyError("threshold")


class StopsEveryThird(Careful):
    def __init__(self) -> None:
        self.asked = itertools.count()

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        decision = super().decide(trial, evidence)
        return Continue() if next(self.asked) % 3 else decision


class Annotates(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        object.__setattr__(trial, "reason", "asked")
        return super().decide(trial, evidence)


class StopsAtTheEnd(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        if trial.epoch == trial.num_epochs > 1 and trial.nrmse > 1:
            return Stop(f"NRMSE {trial.nrmse}")
        return super().decide(trial, evidence)


class DislikesLargeNrmse(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        is_large = 0 < trial.epoch < trial.num_epochs and trial.nrmse > 1
        return Stop(f"NRMSE {trial.nrmse}") if is_large else super().decide(trial, evidence)


class GivesNoFigure(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        decision = super().decide(trial, evidence)
        return Stop("too bad") if isinstance(decision, Stop) else decision


class NeedsAReport(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        assert all(other.measurements for other in evidence.finished)
        return super().decide(trial, evidence)


class NeedsAReportOfRivals(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        assert all(rival.record.nrmse > 0 for rival in evidence.rivals)
        return super().decide(trial, evidence)


class OvertakesAtTheEnd(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        ahead = [r for r in evidence.rivals if r.record.nrmse_curve.get(trial.epoch, 9.0) < trial.nrmse]
        if trial.epoch == trial.num_epochs > 1 and ahead:
            return Stop(f"{len(ahead)} ahead")
        return super().decide(trial, evidence)


class AlwaysSavesTheLastEpoch(Careful):
    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        if trial.num_epochs == 1 and evidence.finished:
            return Stop(f"NRMSE {trial.nrmse} at epoch 1")
        return super().decide(trial, evidence)


MUTANTS: list[tuple[type[Careful], str]] = [
    (AnswersYes, "it answers continue or stop"),
    (AlwaysFails, "it answers continue or stop"),
    (StopsEveryThird, "the same question has the same answer"),
    (Annotates, "a question is left as it was"),
    (StopsAtTheEnd, "nothing is stopped at its full budget"),
    (DislikesLargeNrmse, "nothing is stopped without evidence"),
    (GivesNoFigure, "a reason is one line with a number"),
    (NeedsAReport, "trials that broke do not disturb it"),
    (NeedsAReportOfRivals, "trials that broke do not disturb it"),
    (OvertakesAtTheEnd, "nothing is stopped at its full budget"),
    (AlwaysSavesTheLastEpoch, "a study of one epoch is never stopped"),
]


@pytest.mark.parametrize("check", rule_clauses(), ids=str)
@pytest.mark.parametrize("name", RULES)
def test_the_shipped_rules_keep_the_contract(name: str, check: Any) -> None:
    check(RuleCase(rule=name))


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        (FeasibleAndFaster(min_probability=0.2), {}),
        (FeasibleAndFaster, {"time_margin": 0.0}),
        ("feasible_and_faster", {"min_probability": 0.2}),
        ("moasha", {"reduction_factor": 4}),
        ("asha", {"metric": "time_s", "grace_period": 2}),
        (f"{__name__}:Careful", {}),
        (make_careful, {}),
    ],
    ids=["a rule", "a class", "a name", "moasha", "asha", "module:Class", "a function"],
)
def test_a_rule_may_be_given_in_any_way_with_any_options(
    rule: str | StoppingRule | Callable[..., StoppingRule], options: dict[str, Any]
) -> None:
    check_stopping_rule(rule, options)


def test_a_name_that_is_no_rule_is_one_message() -> None:
    with pytest.raises(SpecError, match="did you mean"):
        check_stopping_rule("feasible_and_fast")


@pytest.mark.parametrize(("rule", "clause"), MUTANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_rule_breaks_its_clause_and_no_other(rule: type[Careful], clause: str) -> None:
    with pytest.raises(ContractError) as raised:
        check_stopping_rule(rule)
    assert [broken.clause for broken in raised.value.broken] == [clause]
    assert raised.value.broken[0].seen


def test_every_clause_has_its_mutant() -> None:
    assert {clause for _, clause in MUTANTS} == {check.name for check in rule_clauses()}
