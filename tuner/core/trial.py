"""A trial: one configuration, its state, and everything measured of it.

A record is a value: each event makes a new one. It knows how to project a stopped trial to the full
budget, and that such a projection is censored: it may teach the search, never win.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status


class TrialState(StrEnum):
    """RUNNING until told otherwise; a COMPLETE trial ran to its full budget.

    A DISCARDED trial ended for a reason that has nothing to do with it: the run was killed or interrupted
    under it, or it was started on another kind of device. It counts against nothing, and is asked again.
    """

    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"
    INFEASIBLE = "infeasible"
    FAILED = "failed"
    DISCARDED = "discarded"


class Purpose(StrEnum):
    """The purpose for which a trial was asked; CERTIFY means the certificate of the recommendation."""

    BASELINE = "baseline"
    CERTIFY = "certify"
    GUIDE = "guide"
    REPLICATE = "replicate"
    SEARCH = "search"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """Everything known about one trial.

    Attributes:
        trial_id: Ours, such as "0007": ascending in the order of asking.
        config: The configuration of the trial.
        seed: Seed of the stage; shared by all trials of a study, so that comparisons are paired.
        num_epochs: The full budget.
        purpose: The purpose for which it was asked.
        state: The state of the trial; see `TrialState`.
        measurements: One an epoch, ascending.
        reason: The reason why it was stopped, is infeasible or failed, in words.
        constraint: The constraint an INFEASIBLE trial broke: "memory" or "finite".
        is_general: Whether it FAILED for a cause in the study or its stage, not in the configuration.
        from_epoch: Epochs that it has from a lost trial, from whose checkpoint it continues; 0 if none.
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
    is_general: bool = False
    from_epoch: int = 0

    def awaiting(self, report: Measurement) -> TrialRecord:
        """The record that a report adds to: without the lost trial's epochs where the trial began anew.

        It does that when it cannot read the checkpoint. It shows: the first report is of an epoch that was
        to be over.
        """
        is_first = self.from_epoch > 0 and self.epoch == self.from_epoch
        if not is_first or report.resumed or report.epoch > self.from_epoch:
            return self
        return replace(self, measurements=(), from_epoch=0)

    def observed(self, measurement: Measurement) -> TrialRecord:
        """The record after one more report; the same report twice changes nothing."""
        before = self.awaiting(measurement)
        if before.last and (before.last.status is not Status.OK or before._is_old(measurement)):
            return self
        return replace(before, measurements=(*before.measurements, measurement))

    def ended(
        self, state: TrialState, *, reason: str = "", constraint: str = "", is_general: bool = False
    ) -> TrialRecord:
        """The record in its final state."""
        reason = reason or self.reason
        return replace(self, state=state, reason=reason, constraint=constraint, is_general=is_general)

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
    def reported_quality(self) -> float:
        """The newest quality figure as it was reported, whatever its scale; NaN when there is none."""
        told = self.last.reported_quality if self.last else None
        return self.nrmse if told is None else told

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
    def start_nrmse(self) -> float | None:
        """NRMSE of its untrained start; None if it was not measured."""
        return next((m.start_nrmse for m in self.measurements if m.start_nrmse is not None), None)

    @property
    def is_whole(self) -> bool:
        """True when every epoch ran and went well, in one go or not, from the first on: its NRMSE counts."""
        return (
            self.state is TrialState.COMPLETE
            and self.last is not None
            and self.last.status is Status.OK
            and self.epoch == self.num_epochs
            and not self.measurements[0].resumed
        )

    @property
    def is_resumed(self) -> bool:
        """True when it went on from a checkpoint: its times are of several processes."""
        return any(m.resumed for m in self.measurements)

    @property
    def is_full_budget(self) -> bool:
        """True when every epoch ran and went well, in one go: only such a trial may win."""
        return self.is_whole and not self.is_resumed

    @property
    def is_timed(self) -> bool:
        """True when its clock is of one kind of device, which a trial that went on elsewhere cannot say."""
        devices = {m.device for m in self.measurements}
        return not self.is_resumed or (len(devices) == 1 and "" not in devices)

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


def searched(records: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Returns the records without the certificate's, whose runs must not change what a search decides."""
    return tuple(record for record in records if record.purpose is not Purpose.CERTIFY)
