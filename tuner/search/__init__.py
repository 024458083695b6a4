"""WHAT to try next: proposals on the lattice of legal configurations, learned from what was told.

Optuna is known here only, and imported when a proposer is made, so that `--help` stays fast. Knows
nothing of when to stop a trial: projections come in with what is told.
"""

from tuner.search.contract import Outcome, Proposer
from tuner.search.optuna_study import OptunaProposer

__all__ = ["OptunaProposer", "Outcome", "Proposer"]
