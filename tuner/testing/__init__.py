"""Contract suites for what users write themselves: a stage, a stopping rule, a sampler.

`check_stage`, `check_stopping_rule` and `check_sampler` run every clause of a contract and raise one
`ContractError` that lists each broken one: what was seen, and how to mend it. The clauses can also be
run one by one, such as in a parametrised test:

    @pytest.mark.parametrize("check", stage_checks(), ids=str)
    def test_my_stage(check):
        check(StageCase(stage="my_stage:MyStage", params={...}, options={...}))

Knows the contracts, not the stages: those are met through Ray's Trainable protocol, as Ray meets them.
"""

from tuner.testing.checks import Broken, Check, ContractError
from tuner.testing.rules import RuleCase, check_stopping_rule, rule_checks
from tuner.testing.samplers import ProposerCase, check_proposer, check_sampler, sampler_checks
from tuner.testing.stage import check_stage, stage_checks
from tuner.testing.stage_case import StageCase

__all__ = [
    "Broken",
    "Check",
    "ContractError",
    "ProposerCase",
    "RuleCase",
    "StageCase",
    "check_proposer",
    "check_sampler",
    "check_stage",
    "check_stopping_rule",
    "rule_checks",
    "sampler_checks",
    "stage_checks",
]
