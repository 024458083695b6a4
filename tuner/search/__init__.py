"""WHAT to try next: proposals on the lattice of legal configurations, learned from what was told.

Optuna is known in `by_optuna` only, and imported when a proposer is made, so that `--help` stays fast. Knows
nothing of when to stop a trial: projections come in with what is told.
"""

from tuner.search.by_optuna.proposer import OptunaProposer
from tuner.search.contract import FullBudgetValues, Proposer
from tuner.search.problem import Problem

__all__ = ["FullBudgetValues", "OptunaProposer", "Problem", "Proposer"]
