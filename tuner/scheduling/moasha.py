"""The rule `moasha`: asynchronous successive halving on the projected objective and NRMSE together.

It knows no incumbent, and the trial best in the objective always goes on: for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.core.pareto import Point, ranks
from tuner.core.trial import TrialRecord
from tuner.scheduling.contract import Continue, Decision, Evidence, Stop
from tuner.scheduling.epsilon_net import epsilon_net
from tuner.scheduling.options import check_number
from tuner.scheduling.rungs import is_rung, num_kept, report_at, reports_at
from tuner.scheduling.words import ordinal, projected, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Moasha:
    """Stops a trial at a rung where it is not in the first share of those that reached it.

    They are ordered front by front, each front by `epsilon_net`. There are no brackets: a study has few
    epochs, and thus few rungs to start at.

    Reference: Schmucker et al., "Multi-objective Asynchronous Successive Halving" (2021), arXiv:2106.12639.

    Attributes:
        reduction_factor: One in so many goes on.
        grace_period: The first rung, an epoch; each further one is `reduction_factor` times later.

    Raises:
        SpecError: An option is out of its range.
    """

    reduction_factor: int = 3
    grace_period: int = 1

    def __post_init__(self) -> None:
        check_number(self, "reduction_factor", at_least=2, is_whole=True)
        check_number(self, "grace_period", at_least=1, is_whole=True)

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        """Decides at a rung. Of equal figures, all go on or none; a trial without the objective goes on."""
        if not is_rung(trial, grace_period=self.grace_period, reduction_factor=self.reduction_factor):
            return Continue()
        mine = report_at(trial, trial.epoch, evidence)
        if mine is None:
            return Continue()
        others = reports_at((rival.record for rival in evidence.rivals), trial.epoch, evidence)
        num = len(others) + 1
        place = 1 + num_before(mine.point, [other.point for other in others])
        if place <= (kept := num_kept(num, self.reduction_factor)):
            return Continue()
        seen = f"{shown(evidence.metric, mine.nrmse)} and {projected(mine.objective, evidence.objective)}"
        return Stop(
            f"{seen} after epoch {trial.epoch}: {ordinal(place)} of {num} trials that reached "
            f"it, of which {kept} may go on"
        )


def num_before(point: Point, others: Sequence[Point]) -> int:
    """Counts the `others` before `point`: better fronts, and its own as far as the net orders it so."""
    points = [point, *others]
    rank = ranks(points)
    its_front = [p for p, r in zip(points, rank, strict=True) if r == rank[0]]  # begins with the point
    return sum(r < rank[0] for r in rank) + epsilon_net(its_front).index(0)
