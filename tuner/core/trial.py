"""A trial: one configuration, its state, and everything measured of it.

A record is a value: each event makes a new one. It knows how to project a stopped trial to the full
budget, and that such a projection is censored: it may teach the search, never win.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status


class TrialState(StrEnum):
    """RUNNING until told otherwise; a COMPLETE trial ran to its full budget."""

    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"
    INFEASIBLE = "infeasible"
    FAILED = "failed"


class Purpose(StrEnum):
    """Why a trial was asked for; CERTIFY: for the certificate of what is recommended."""

    BASELINE = "baseline"
    CERTIFY = "certify"
    GUIDE = "guide"
    REPLICATE = "replicate"
    SEARCH = "search"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """Everything known of one trial.

    Attributes:
        trial_id: Ours, such as "0007": ascending in the order of asking.
        config: What it ran with.
        seed: Of the stage; shared by all trials of a study, so that comparisons are paired.
        num_epochs: The full budget.
        purpose: Why it was asked for.
        state: See `TrialState`.
        measurements: One an epoch, ascending.
        reason: Why it was stopped, is infeasible or failed, in words.
        constraint: The constraint an INFEASIBLE trial broke: "memory" or "finite".
    """

    trial_id: str
    config: TrialConfig
    seed: int
    num_epochs: int
    purpose: Purpose = Purpose.SEARCH
    state: TrialState = TrialState.RUNNING
    measurements: tuple[Measurement, ...] = ()
    reason: str = ""
    constraint: str = ""

    def observed(self, measurement: Measurement) -> TrialRecord:
        """The record after one more report; the same report twice changes nothing."""
        if self.last and (self.last.status is not Status.OK or self._is_old(measurement)):
            return self
        return replace(self, measurements=(*self.measurements, measurement))

    def ended(self, state: TrialState, *, reason: str = "", constraint: str = "") -> TrialRecord:
        """The record in its final state."""
        return replace(self, state=state, reason=reason or self.reason, constraint=constraint)

    def _is_old(self, measurement: Measurement) -> bool:
        return measurement.status is Status.OK and measurement.epoch <= self.epoch

    @property
    def last(self) -> Measurement | None:
        """The newest report, None before the first."""
        return self.measurements[-1] if self.measurements else None

    @property
    def epoch(self) -> int:
        """Epochs finished; one that ran out of memory or diverged is not."""
        return next((m.epoch for m in reversed(self.measurements) if m.status is Status.OK), 0)

    @property
    def fraction(self) -> float:
        """The share of the full budget that ran, 0 to 1."""
        return self.epoch / self.num_epochs

    @property
    def nrmse(self) -> float:
        """The newest NRMSE; NaN when there is none."""
        return self.last.nrmse if self.last else float("nan")

    @property
    def time_s(self) -> float:
        """Training seconds so far: a full-budget figure only when `is_full_budget`."""
        return self.last.time_s if self.last else 0.0

    @property
    def peak_memory_gib(self) -> float:
        """The highest peak any report gave, GiB."""
        return max((m.peak_memory_gib for m in self.measurements), default=0.0)

    @property
    def nrmse_curve(self) -> dict[int, float]:
        """NRMSE by epoch, epochs that went well only."""
        return {m.epoch: m.nrmse for m in self.measurements if m.status is Status.OK}

    @property
    def is_full_budget(self) -> bool:
        """True when every epoch ran and went well, in one go: only such a trial may win."""
        return (
            self.state is TrialState.COMPLETE
            and self.last is not None
            and self.last.status is Status.OK
            and self.epoch == self.num_epochs
            and not any(m.resumed for m in self.measurements)
        )

    @property
    def is_contended(self) -> bool:
        """True when others disturbed it, so that its time is an upper bound; its NRMSE is not affected."""
        return self.last is not None and bool(self.last.contended)

    @property
    def is_censored(self) -> bool:
        """True when the trial ended before its full budget, so that its figures there are projections."""
        return self.state is TrialState.STOPPED

    @property
    def projected_time_s(self) -> float:
        """Training seconds at full budget: measured when all epochs ran, else mean epoch time times epochs.

        Zero before the first epoch.
        """
        return self.time_s / self.fraction if self.epoch else 0.0
