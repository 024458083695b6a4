"""The answers of an advisor and the messages it is told; plain values that a journal can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any

from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.search.observations import Probed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Train `config` up to `num_epochs` epochs, reporting after each.

    `seed` is the stage's; all trials of a study share it, so that comparisons are paired.

    Attributes:
        resumed_from: The lost trial from whose checkpoint this one continues; empty if it begins anew.
        from_epoch: The epoch after which that checkpoint was taken.
    """

    trial_id: str
    config: TrialConfig
    seed: int
    num_epochs: int
    purpose: Purpose
    resumed_from: str = ""
    from_epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Time a few steps of each configuration, warm-up excluded, and answer with `Advisor.probed`.

    Attributes:
        limit_s: Seconds after which a single start of a program is no probe any more; 0 if there is no limit.
    """

    trial_id: str
    configs: tuple[TrialConfig, ...]
    limit_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The result of a probe for one configuration.

    Attributes:
        status: OOM when it does not fit, NAN when it cannot be trained for another reason.
        epoch_time_s: Predicted training seconds an epoch.
        peak_memory_gib: Peak memory during the probe.
        error: Relative standard error of the time, as the stage states it; 0 where it states none.
    """

    config: TrialConfig
    status: Status
    epoch_time_s: float
    peak_memory_gib: float
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Wait:
    """There is nothing to start now; ask again after the next event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The study is over: nothing will be asked any more."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken(Finished):
    """The study is over because the stage itself does not work: a failure, not a finding.

    Trials may still run; nobody waits for them.
    """


PROBE_PREFIX = "p"
"""A probe's id begins so; a trial's is a number."""

Ask = Run | Probe | Wait | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The way in which a trial ended.

    Attributes:
        state: COMPLETE, STOPPED, INFEASIBLE, FAILED or DISCARDED.
        reason: The reason in words; empty if it says no more than the state.
        constraint: "memory" or "finite" for INFEASIBLE.
        is_general: Whether, for FAILED, the cause lies in the study or its stage, so that every other trial
            has it too.
        is_lost: Whether, for FAILED, the worker died or the node went, so that the same configuration is
            worth asking again; an exception of the stage itself is not. Always for DISCARDED.
        checkpoint_epoch: Epoch after which a lost trial's newest checkpoint was taken; 0 if there is
            none.
        is_elsewhere: Whether, for DISCARDED, the trial was started on another device than the run's.
    """

    state: TrialState
    reason: str = ""
    constraint: str = ""
    is_lost: bool = False
    is_general: bool = False
    checkpoint_epoch: int = 0
    is_elsewhere: bool = False

    @classmethod
    def complete(cls) -> Ending:
        """Returns the ending of a trial that ran every epoch."""
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
        """Returns the ending that a trial's last report implies, if nobody stopped it."""
        match report.status:
            case Status.OK:
                return cls.complete()
            case Status.OOM:
                return cls.out_of_memory(report.error or "out of memory")
            case Status.NAN:
                return cls.diverged(report.error or "loss or NRMSE is not finite")

    @classmethod
    def failed(cls, reason: str, *, is_lost: bool = False, is_general: bool = False) -> Ending:
        """The stage raised an exception, or its worker died."""
        return cls(state=TrialState.FAILED, reason=reason, is_lost=is_lost, is_general=is_general)

    @classmethod
    def discarded(cls, reason: str, *, is_elsewhere: bool = False) -> Ending:
        """The run or the node ended under the trial, its worker was unfit, or nobody waits for it."""
        return cls(state=TrialState.DISCARDED, reason=reason, is_lost=True, is_elsewhere=is_elsewhere)


def ask_as_dict(ask: Ask) -> dict[str, Any]:
    """An answer of `ask()` as plain JSON values, `kind` first; what does not apply is left out."""
    values = {"kind": type(ask).__name__.lower(), **_plain(ask)}
    return {name: value for name, value in values.items() if value or name not in _LEFT_OUT}


def ask_of_dict(values: Mapping[str, Any]) -> Ask:
    """Reads what `ask_as_dict` gave.

    Raises:
        ValueError: The kind is not one that this version knows.
    """
    match values["kind"]:
        case "run":
            return Run(
                trial_id=values["trial_id"],
                config=TrialConfig.from_dict(values["config"]),
                seed=values["seed"],
                num_epochs=values["num_epochs"],
                purpose=Purpose(values["purpose"]),
                **{name: values[name] for name in _RESUMED if name in values},
            )
        case "probe":
            configs = tuple(TrialConfig.from_dict(config) for config in values["configs"])
            limit_s = float(values.get("limit_s", 0.0))
            return Probe(trial_id=values["trial_id"], configs=configs, limit_s=limit_s)
        case "finished":
            return Finished(reason=values["reason"])
        case "broken":
            return Broken(reason=values["reason"])
        case other:
            raise ValueError(f"an answer of the unknown kind {other!r}")


def probe_as_dict(result: ProbeResult) -> dict[str, Any]:
    """A probe's result as plain JSON values, NaN as None; `probe_of_dict` reads it back."""
    values: dict[str, Any] = _plain(result)
    if not result.error:
        del values["error"]
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


def probe_of_dict(values: Mapping[str, Any]) -> ProbeResult:
    """Reads what `probe_as_dict` gave."""
    figures = {name: math.nan if values[name] is None else float(values[name]) for name in _PROBE_FIGURES}
    return ProbeResult(
        config=TrialConfig.from_dict(values["config"]),
        status=Status(values["status"]),
        error=float(values.get("error", 0.0)),
        **figures,
    )


def ending_as_dict(ending: Ending) -> dict[str, Any]:
    """An ending as plain JSON values; `ending_of_dict` reads it back."""
    values: dict[str, Any] = _plain(ending)
    return {name: value for name, value in values.items() if value or name not in _RARELY_SAID}


def ending_of_dict(values: Mapping[str, Any]) -> Ending:
    """Reads what `ending_as_dict` gave; other keys are passed over."""
    return Ending(
        state=TrialState(values["state"]),
        reason=values["reason"],
        constraint=values["constraint"],
        is_lost=values["is_lost"],
        is_general=values.get("is_general", False),
        checkpoint_epoch=values.get("checkpoint_epoch", 0),
        is_elsewhere=values.get("is_elsewhere", False),
    )


_RESUMED = ("resumed_from", "from_epoch")
_RARELY_SAID = ("checkpoint_epoch", "is_general", "is_elsewhere")
_LEFT_OUT = (*_RESUMED, "limit_s")
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


def record_of(run: Run, records: Mapping[str, TrialRecord]) -> TrialRecord:
    """The record a trial starts with: empty, or with the epochs up to the checkpoint that it goes on from.

    Args:
        run: The trial that was asked for.
        records: The records of all trials before it.
    """
    begun = records[run.resumed_from].measurements if run.resumed_from else ()
    return TrialRecord(
        trial_id=run.trial_id,
        config=run.config,
        seed=run.seed,
        num_epochs=run.num_epochs,
        purpose=run.purpose,
        measurements=tuple(m for m in begun if m.status is Status.OK and m.epoch <= run.from_epoch),
        from_epoch=run.from_epoch,
    )


def ended_by(record: TrialRecord, ending: Ending) -> TrialRecord:
    """The record with its end as reports bear it out: told complete without all epochs, it was stopped."""
    if ending.state is TrialState.COMPLETE and record.epoch < record.num_epochs:
        ending = Ending.stopped(f"it ended after {record.epoch} of {record.num_epochs} epochs")
    return record.ended(
        ending.state, reason=ending.reason, constraint=ending.constraint, is_general=ending.is_general
    )


def probed_of(result: ProbeResult) -> Probed:
    """Returns what the search learns from a probe's result."""
    fits = result.status is Status.OK
    return Probed(
        config=result.config,
        epoch_time_s=result.epoch_time_s if fits else None,
        peak_memory_gib=result.peak_memory_gib if fits else 0.0,
        error=result.error,
        is_too_large=result.status is Status.OOM,
    )
