"""Every shipped sampler keeps the contract; every clause of it can fail."""

from __future__ import annotations

import random
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete
from tuner.core.trial import TrialRecord, TrialState
from tuner.errors import SpecError
from tuner.search import FullBudgetValues, OptunaProposer
from tuner.testing import ContractError, check_proposer, check_sampler, sampler_clauses


class Lazy(RandomSampler):
    """Proposes at random; keeps the contract."""

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            name: self.sample_independent(study, trial, name, space) for name, space in search_space.items()
        }

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        return {}


class DrawsFromTheSystem(Lazy):
    def __init__(self, seed: int) -> None:
        super().__init__(seed=random.SystemRandom().randrange(2**31))


class CannotLose(Lazy):
    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        assert trial.user_attrs.get("state") != "failed"


class WorksAlone(Lazy):
    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        running = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING])
        assert len(running) <= 2, "somebody else is running"


class Mine(OptunaProposer):
    """A proposer of a user's own."""

    def __init__(self, lattice: Lattice, seed: int) -> None:
        super().__init__(lattice, "random", {}, seed)
        self.lattice = lattice
        self.num_proposed = 0

    def propose(self, trial_id: str) -> TrialConfig | None:
        self.num_proposed += 1
        return super().propose(trial_id)


class LeavesTheLattice(Mine):
    def propose(self, trial_id: str) -> TrialConfig | None:
        super().propose(trial_id)
        return TrialConfig(batch_size=7, micro_batch=7, num_taus=2)


class RepeatsTheBaseline(Mine):
    """Forgets what somebody else chose."""

    def adopt(self, trial_id: str, config: TrialConfig) -> None:
        self._live[trial_id] = None


class GivesUpEarly(Mine):
    def propose(self, trial_id: str) -> TrialConfig | None:
        return super().propose(trial_id) if self.num_proposed < len(self.lattice) - 1 else None


class CannotBeInterrupted(Mine):
    def close(self) -> None:
        assert not self._live


class TakesOnlyMeasurements(Mine):
    def tell(self, record: TrialRecord, values: FullBudgetValues | None = None) -> None:
        assert record.state in (TrialState.COMPLETE, TrialState.INFEASIBLE, TrialState.FAILED)
        super().tell(record, values)


SAMPLERS = [
    (DrawsFromTheSystem, "the same seed gives the same proposals"),
    (CannotLose, "trials may end in any way"),
    (WorksAlone, "several trials may run at once"),
]
PROPOSERS = [
    (LeavesTheLattice, "every proposal is legal"),
    (RepeatsTheBaseline, "nothing is proposed twice"),
    (GivesUpEarly, "the whole lattice can be used up"),
    (CannotBeInterrupted, "closing is harmless while trials run"),
    (TakesOnlyMeasurements, "trials may end in any way"),
]


def few_points() -> Lattice:
    values = {"batch_size": (4, 8), "micro_batch": (2, 4), "num_taus": (2, 3)}
    return Lattice([Discrete(name=name, values=listed) for name, listed in values.items()])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("random", {}),
        ("tpe", {"n_startup_trials": 3}),
        ("nsga2", {"population_size": 3}),
        ("optuna.samplers:RandomSampler", {}),
        (f"{__name__}:Lazy", {}),
    ],
)
def test_the_shipped_samplers_keep_the_contract(name: str, options: dict[str, Any]) -> None:
    check_sampler(name, options=options)


def test_the_gp_sampler_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    check_sampler("gp", few_points(), {"n_startup_trials": 5})


def test_a_class_will_do_and_so_will_a_proposer() -> None:
    check_sampler(Lazy, few_points())
    check_proposer(Mine)


@pytest.mark.parametrize(("sampler", "clause"), SAMPLERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_sampler_breaks_its_clause_and_no_other(sampler: Any, clause: str) -> None:
    with pytest.raises(ContractError) as raised:
        check_sampler(sampler)
    assert [broken.clause for broken in raised.value.broken] == [clause]


@pytest.mark.parametrize(("proposer", "clause"), PROPOSERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_proposer_breaks_its_clause_and_no_other(proposer: Any, clause: str) -> None:
    with pytest.raises(ContractError) as raised:
        check_proposer(proposer)
    assert [broken.clause for broken in raised.value.broken] == [clause]


def test_every_clause_has_its_mutant() -> None:
    assert {clause for _, clause in SAMPLERS + PROPOSERS} == {check.name for check in sampler_clauses()}


def test_a_sampler_that_cannot_be_made_is_one_message() -> None:
    with pytest.raises(SpecError, match="did you mean"):
        check_sampler("tpee")
