"""The rule `asha`: asynchronous successive halving on one figure.

It knows neither target nor incumbent, so that it may stop what would have won: for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.core.trial import TrialRecord
from tuner.scheduling.contract import Continue, Decision, Evidence, Stop
from tuner.scheduling.options import check_choice, check_number
from tuner.scheduling.rungs import RungReport, is_rung, num_kept, report_at, reports_at
from tuner.scheduling.words import ordinal, seconds

METRICS = ("nrmse", "time_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asha:
    """Stops a trial at a rung where it is not among the best share of those that reached it.

    Reference: Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2020).

    Attributes:
        metric: `nrmse` as reported at the rung, or `time_s` as projected there to the full budget.
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
        """Of equal figures, all go on."""
        if not is_rung(trial, grace_period=self.grace_period, reduction_factor=self.reduction_factor):
            return Continue()
        mine = report_at(trial, trial.epoch)
        assert mine is not None  # it has just reached the rung
        others = reports_at((rival.record for rival in evidence.rivals), trial.epoch)
        num, place = len(others) + 1, 1 + sum(self._figure(other) < self._figure(mine) for other in others)
        if place <= (kept := num_kept(num, self.reduction_factor)):
            return Continue()
        return Stop(
            f"{self._words(mine)} after epoch {trial.epoch}: {ordinal(place)} of {num} trials "
            f"that reached it, of which {kept} may go on"
        )

    def _figure(self, report: RungReport) -> float:
        return report.nrmse if self.metric == "nrmse" else report.time_s

    def _words(self, report: RungReport) -> str:
        if self.metric == "nrmse":
            return f"NRMSE {report.nrmse:.4f}"
        return f"projected {seconds(report.time_s)} s at full budget"
