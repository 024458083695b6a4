"""WHAT to try next: proposals on the lattice of legal configurations, learned from what was told.

Optuna is known here only, and imported when a proposer or a sampler is made, so that `--help` stays fast.
Knows nothing of when to stop a trial: projections come in with what is told.
"""

from typing import TYPE_CHECKING, Any

from tuner.search.contract import Outcome, Proposer
from tuner.search.optuna_study import OptunaProposer
from tuner.search.problem import Problem

if TYPE_CHECKING:
    from tuner.search.lattice_sampler import LatticeSampler

__all__ = ["LatticeSampler", "OptunaProposer", "Outcome", "Problem", "Proposer"]


def __getattr__(name: str) -> Any:
    """`LatticeSampler`, which derives from a class of Optuna, is imported when it is asked for."""
    if name == "LatticeSampler":
        from tuner.search.lattice_sampler import LatticeSampler

        return LatticeSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
