"""The search problem: what is looked for, where, and what the stage says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuner.core.config import TrialConfig
from tuner.core.goal import Goal, Objective
from tuner.core.lattice import Lattice
from tuner.core.limits import Limit
from tuner.core.objectives import Target
from tuner.core.traits import StageTraits


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Minimise an objective over a lattice, while the mean NRMSE over seeds meets a target, within limits.

    Attributes:
        lattice: The lattice to search.
        target: The bound that NRMSE must meet.
        baseline: The configuration to beat, to which a relative target is relative.
        num_samples: Number of samples in an epoch.
        rows_per_sample: Rows that the stage makes of a sample.
        num_epochs: Number of epochs of the full budget.
        traits: Properties that the stage states of itself.
        seed: Seed of the first run of every configuration, and of all randomness here.
        max_error: Probability accepted that a recommended configuration misses the target.
        trainings: Number of trainings for which the recommendation will be used: what a run may cost.
        objective: The figure to minimise.
        limits: The bounds that figures other than NRMSE must keep.
    """

    lattice: Lattice
    target: Target
    baseline: TrialConfig
    num_samples: int
    num_epochs: int
    rows_per_sample: int = 1
    traits: StageTraits = field(default_factory=StageTraits)
    seed: int = 0
    max_error: float = 0.05
    trainings: float = 5000.0
    objective: Objective = Objective.TIME
    limits: tuple[Limit, ...] = ()

    @property
    def goal(self) -> Goal:
        """Objective, target and limits together."""
        return Goal(target=self.target, objective=self.objective, limits=self.limits)
