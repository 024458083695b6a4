"""What an advisor answers and is told; plain values that a journal can hold.

`Resume` belongs to the contract for advisors that ask for it; the shipped one does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any

from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.search.ledger import Probed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Train `config` from the start for `num_epochs` epochs, reporting after each.

    `seed` is the stage's; all trials of a study share it, so that comparisons are paired.
    """

    trial_id: str
    config: TrialConfig
    seed: int
    num_epochs: int
    purpose: Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Time a few steps of each configuration, warm-up excluded, and answer with `Advisor.probed`."""

    trial_id: str
    configs: tuple[TrialConfig, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a probe saw of one configuration.

    Attributes:
        status: OOM when it does not fit.
        epoch_time_s: Predicted training seconds an epoch.
        peak_memory_gib: Peak memory during the probe.
    """

    config: TrialConfig
    status: Status
    epoch_time_s: float
    peak_memory_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on with a stopped trial from its checkpoint, up to `num_epochs` epochs in all."""

    trial_id: str
    num_epochs: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to start now; ask again after the next event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing will be asked any more."""

    reason: str


PROBE_PREFIX = "p"
"""A probe's id begins so; a trial's is a number."""

Ask = Run | Probe | Resume | Wait | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a trial ended.

    Attributes:
        state: COMPLETE, STOPPED, INFEASIBLE or FAILED.
        reason: In words; empty when it says no more than the state.
        constraint: For INFEASIBLE: "memory" or "finite".
        is_lost: For FAILED: the worker died or the node went, so that the same configuration is
            worth asking again; an exception of the stage itself is not.
    """

    state: TrialState
    reason: str = ""
    constraint: str = ""
    is_lost: bool = False

    @classmethod
    def complete(cls) -> Ending:
        """Every epoch ran."""
        return cls(state=TrialState.COMPLETE)

    @classmethod
    def stopped(cls, reason: str = "") -> Ending:
        """The advisor, or whoever drives it, stopped the trial early."""
        return cls(state=TrialState.STOPPED, reason=reason)

    @classmethod
    def out_of_memory(cls, reason: str) -> Ending:
        """The configuration does not fit into memory."""
        return cls(state=TrialState.INFEASIBLE, reason=reason, constraint="memory")

    @classmethod
    def diverged(cls, reason: str) -> Ending:
        """Loss or NRMSE was not a finite number."""
        return cls(state=TrialState.INFEASIBLE, reason=reason, constraint="finite")

    @classmethod
    def of_report(cls, report: Measurement) -> Ending:
        """What a trial's last report says of its end, when nobody stopped it."""
        match report.status:
            case Status.OK:
                return cls.complete()
            case Status.OOM:
                return cls.out_of_memory(report.error or "out of memory")
            case Status.NAN:
                return cls.diverged(report.error or "loss or NRMSE is not finite")

    @classmethod
    def failed(cls, reason: str, *, is_lost: bool = False) -> Ending:
        """The stage raised an exception, or the trial was lost or interrupted."""
        return cls(state=TrialState.FAILED, reason=reason, is_lost=is_lost)


def ask_as_dict(ask: Ask) -> dict[str, Any]:
    """An answer of `ask()` as plain JSON values, `kind` first."""
    return {"kind": type(ask).__name__.lower(), **_plain(ask)}


def probe_as_dict(result: ProbeResult) -> dict[str, Any]:
    """A probe's result as plain JSON values, NaN as None; `probe_of_dict` reads it back."""
    values: dict[str, Any] = _plain(result)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


def probe_of_dict(values: Mapping[str, Any]) -> ProbeResult:
    """Reads what `probe_as_dict` gave."""
    figures = {name: math.nan if values[name] is None else float(values[name]) for name in _PROBE_FIGURES}
    return ProbeResult(
        config=TrialConfig.from_dict(values["config"]), status=Status(values["status"]), **figures
    )


_PROBE_FIGURES = ("epoch_time_s", "peak_memory_gib")


def _plain(value: Any) -> Any:
    """A message as plain JSON values: configurations by their names, messages by their fields."""
    if isinstance(value, TrialConfig):
        return value.as_dict()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, StrEnum) else value


def record_of(run: Run) -> TrialRecord:
    """The record a trial starts with."""
    return TrialRecord(
        trial_id=run.trial_id,
        config=run.config,
        seed=run.seed,
        num_epochs=run.num_epochs,
        purpose=run.purpose,
    )


def ended_by(record: TrialRecord, ending: Ending) -> TrialRecord:
    """The record with its end as reports bear it out: told complete without all epochs, it was stopped."""
    if ending.state is TrialState.COMPLETE and record.epoch < record.num_epochs:
        ending = Ending.stopped(f"it ended after {record.epoch} of {record.num_epochs} epochs")
    return record.ended(ending.state, reason=ending.reason, constraint=ending.constraint)


def probed_of(result: ProbeResult) -> Probed:
    """What the search learns of a probe's result."""
    fits = result.status is Status.OK
    return Probed(
        config=result.config,
        epoch_time_s=result.epoch_time_s if fits else None,
        peak_memory_gib=result.peak_memory_gib if fits else 0.0,
    )
