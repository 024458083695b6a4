"""Contract suites for what users write themselves: a stage, a stopping rule, a sampler.

`check_stage`, `check_stopping_rule` and `check_sampler` run every clause of a contract and raise one
`ContractError` that lists each broken one: what was seen, and how to mend it. The clauses can also be
run one by one, such as in a parametrised test:

    @pytest.mark.parametrize("clause", stage_clauses(), ids=str)
    def test_my_stage(clause):
        clause(StageCase(stage="my_stage:MyStage", params={...}, options={...}))

Knows the contracts, not the stages: those are met through Ray's Trainable protocol, as Ray meets them.
"""

from tuner.testing.clauses import BrokenClause, Clause, ContractError
from tuner.testing.rules import RuleCase, check_stopping_rule, rule_clauses
from tuner.testing.samplers import ProposerCase, check_proposer, check_sampler, sampler_clauses
from tuner.testing.stage import check_stage, stage_clauses
from tuner.testing.stage_case import StageCase

__all__ = [
    "BrokenClause",
    "Clause",
    "ContractError",
    "ProposerCase",
    "RuleCase",
    "StageCase",
    "check_proposer",
    "check_sampler",
    "check_stage",
    "check_stopping_rule",
    "rule_clauses",
    "sampler_clauses",
    "stage_clauses",
]
