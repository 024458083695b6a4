"""The rule `asha`: asynchronous successive halving on one figure.

It knows neither target nor incumbent, so that it may stop what would have won: for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tuner.core.goal import Objective
from tuner.core.trial import TrialRecord
from tuner.scheduling.contract import Continue, Decision, Evidence, Stop
from tuner.scheduling.options import check_choice, check_number
from tuner.scheduling.rungs import RungReport, is_rung, num_kept, report_at, reports_at
from tuner.scheduling.words import ordinal, projected, shown

METRICS = ("nrmse", "time_s", "objective")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asha:
    """Stops a trial at a rung where it is not among the best share of those that reached it.

    Reference: Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2020).

    Attributes:
        metric: `nrmse` as reported at the rung, or `time_s` or the study's `objective` as projected there.
        reduction_factor: One in so many goes on.
        grace_period: The first rung, an epoch; each further one is `reduction_factor` times later.

    Raises:
        SpecError: An option is out of its range.
    """

    metric: str = "nrmse"
    reduction_factor: int = 3
    grace_period: int = 1

    def __post_init__(self) -> None:
        check_choice(self, "metric", METRICS)
        check_number(self, "reduction_factor", at_least=2, is_whole=True)
        check_number(self, "grace_period", at_least=1, is_whole=True)

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        """Decides at a rung. Of equal figures all go on; so does one that did not report the objective."""
        if not is_rung(trial, grace_period=self.grace_period, reduction_factor=self.reduction_factor):
            return Continue()
        if self.metric == "time_s":
            evidence = replace(evidence, objective=Objective.TIME)
        mine = report_at(trial, trial.epoch, evidence)
        if mine is None:
            return Continue()
        others = reports_at((rival.record for rival in evidence.rivals), trial.epoch, evidence)
        num, place = len(others) + 1, 1 + sum(self._figure(other) < self._figure(mine) for other in others)
        if place <= (kept := num_kept(num, self.reduction_factor)):
            return Continue()
        return Stop(
            f"{self._words(mine, evidence)} after epoch {trial.epoch}: {ordinal(place)} of {num} "
            f"trials that reached it, of which {kept} may go on"
        )

    def _figure(self, report: RungReport) -> float:
        return report.nrmse if self.metric == "nrmse" else report.objective

    def _words(self, report: RungReport, evidence: Evidence) -> str:
        if self.metric == "nrmse":
            return shown(evidence.metric, report.nrmse)
        return projected(report.objective, evidence.objective)
