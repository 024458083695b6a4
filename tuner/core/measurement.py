"""The report of a stage after an epoch, checked once where it enters.

Knows the words and units of a report, not who made it (Ray, the simulator, a test).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from numbers import Real
from typing import Any, get_args, get_type_hints

import numpy as np

from foundation.one_line import one_line
from tuner.errors import MissingFigureError, ReportError


class Status(StrEnum):
    """The status of an epoch. Running out of memory and diverging are answers, not errors."""

    OK = "ok"
    OOM = "oom"
    NAN = "nan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The state of a trial after `epoch` epochs; times and counts are sums since its first epoch.

    None is what was not measured; it is never a zero.

    Attributes:
        status: `ok`, `oom` or `nan`; the last two are answers, not failures. When it is not `ok`, `nrmse` is
            NaN and the times cover what ran.
        epoch: Epochs finished, from 1; 0 when the stage did not get through its first one.
        nrmse: Validation NRMSE after this epoch: what the target bounds. In a study of another metric, that
            figure on the models' scale; see `tuner.core.metric`.
        time_s: Training since the first epoch, the device synchronised; without set-up, warm-up, evaluation
            and checkpoints.
        epoch_time_s: This epoch's share of `time_s`; NaN when it was not finished.
        setup_time_s: Building data, networks and optimizer.
        warmup_time_s: Throw-away steps before the clock starts.
        evaluate_time_s: Evaluation, summed.
        cpu_time_s: CPU time of the process while training, summed.
        peak_memory_gib: Peak memory of the trial: allocated on the card, or resident on a CPU.
        num_chunks: Micro-batches launched, summed; 0 if not known.
        num_sample_evals: Rows trained on (samples times noise levels), summed; 0 if not known.
        num_optimizer_steps: Optimizer steps taken, summed; 0 if not known.
        resumed: Whether the trial had gone on from a checkpoint by then; its times are of several processes.
        device: Name of the card or processor it ran on.
        load_average: The machine's one-minute load when the epoch ended.
        error: What went wrong, in one line; empty when ok.
        start_nrmse: NRMSE of the untrained start, before the first epoch; the same in all reports of a trial.
        checkpoint_time_s: Writing checkpoints, summed.
        step_time_median_s: Median of this epoch's optimizer steps.
        step_time_mad_s: Median absolute deviation from that median.
        setup_cpu_time_s: CPU time of the process in set-up.
        warmup_cpu_time_s: CPU time of the process in the warm-up.
        evaluate_cpu_time_s: CPU time of the process in evaluation, summed.
        checkpoint_cpu_time_s: CPU time of the process writing checkpoints, summed.
        device_time_s: Training between CUDA events, summed.
        setup_device_time_s: Set-up between CUDA events.
        warmup_device_time_s: Warm-up between CUDA events.
        evaluate_device_time_s: Evaluation between CUDA events, summed.
        checkpoint_device_time_s: Writing checkpoints between CUDA events, summed.
        data_wait_s: The part of `time_s` spent waiting for data, summed.
        data_wait_cpu_s: CPU time of the process while waiting for data, summed.
        contended: Whether others disturbed an epoch, so that its times are upper bounds.
        contended_reason: What disturbed the epoch, in words; empty if nothing did.
        peak_reserved_gib: Peak of what the card's allocator reserved.
        num_alloc_retries: Allocations that had to empty the allocator's cache first: the card was full.
        gpu_util_pct: Mean utilisation of the card while training.
        gpu_memory_gib: Most memory in use on the card, by everybody.
        power_w: Mean power of the card while training.
        energy_j: Energy of the card while training, summed.
        temperature_c: Highest temperature of the card while training.
        sm_clock_mhz: Mean clock of the card's multiprocessors while training.
        reported_quality: The study's own figure as it was reported, where `nrmse` is another number.
    """

    status: Status
    epoch: int
    nrmse: float
    time_s: float
    epoch_time_s: float
    setup_time_s: float = 0.0
    warmup_time_s: float = 0.0
    evaluate_time_s: float = 0.0
    cpu_time_s: float = 0.0
    peak_memory_gib: float = 0.0
    num_chunks: int = 0
    num_sample_evals: int = 0
    num_optimizer_steps: int = 0
    resumed: bool = False
    device: str = ""
    load_average: float = 0.0
    error: str = ""
    start_nrmse: float | None = None
    checkpoint_time_s: float | None = None
    step_time_median_s: float | None = None
    step_time_mad_s: float | None = None
    setup_cpu_time_s: float | None = None
    warmup_cpu_time_s: float | None = None
    evaluate_cpu_time_s: float | None = None
    checkpoint_cpu_time_s: float | None = None
    device_time_s: float | None = None
    setup_device_time_s: float | None = None
    warmup_device_time_s: float | None = None
    evaluate_device_time_s: float | None = None
    checkpoint_device_time_s: float | None = None
    data_wait_s: float | None = None
    data_wait_cpu_s: float | None = None
    contended: bool | None = None
    contended_reason: str = ""
    peak_reserved_gib: float | None = None
    num_alloc_retries: int | None = None
    gpu_util_pct: float | None = None
    gpu_memory_gib: float | None = None
    power_w: float | None = None
    energy_j: float | None = None
    temperature_c: float | None = None
    sm_clock_mhz: float | None = None
    reported_quality: float | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measurement:
        """Reads a stage's report; keys that are not ours are ignored.

        A report of an epoch that went well whose NRMSE is not finite, or so large that training must have
        diverged, gets status nan: that is an answer. An optional figure that is not finite was not measured,
        nor was an NRMSE of the start that is not positive.

        Raises:
            MissingFigureError: A key that every report must have is missing.
            ReportError: A value has the wrong type (`true` is no number, text is no number), or a value is
                impossible: an NRMSE or a time that is not positive, a negative count, a time that is not
                finite, a figure beyond what any machine can reach.
        """
        given = {"nrmse": math.nan} | {k: v for k, v in values.items() if v is not None}
        missing = [key for key in _REQUIRED if key not in given]
        if missing:
            raise MissingFigureError(
                f"the stage's report lacks {', '.join(missing)}.",
                "return them from every train() call; see MeasuredTrainable.",
            )
        known = {key: read(key, given[key]) for key, read in _READERS.items() if key in given}
        known = {k: v for k, v in known.items() if k not in _OPTIONAL or _is_finite(v)}
        if not known.get("start_nrmse", 1.0) > 0:
            del known["start_nrmse"]
        is_ok = known["status"] is Status.OK
        if is_ok and not abs(known["nrmse"]) < DIVERGED_NRMSE:  # NaN included
            known |= {"status": Status.NAN, "error": f"NRMSE is {known['nrmse']:g}"}
            is_ok = False
        _check_values(known, is_ok=is_ok)
        if not is_ok:
            known["nrmse"] = math.nan
            known["epoch_time_s"] = known["epoch_time_s"] if math.isfinite(known["epoch_time_s"]) else 0.0
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        """The measurement as plain JSON values, a NaN as None; `from_dict` reads it back."""
        nrmse = None if math.isnan(self.nrmse) else self.nrmse
        values = asdict(self) | {"status": self.status.value, "nrmse": nrmse}
        if self.reported_quality is None:
            del values["reported_quality"]
        return values


DIVERGED_NRMSE = 1e12
"""An NRMSE from here on is as good as infinite: training diverged."""

MAX_TEXT = 1000
"""Most characters of a text in a report; more is cut."""

_MOST = {"_s": 1e9, "_gib": 1e6, "_j": 1e15, "_w": 1e6, "_pct": 1e4, "_mhz": 1e6, "epoch": math.inf}
"""The most that a figure of a unit can be, beyond any machine: what is more is an error, and spoils models.

How many epochs there may be is known where a report is held against its trial.
"""
_MOST_ELSE = 2.0**53
"""Beyond it a count is no exact number any more."""

_OF_ANY_SIGN = ("nrmse", "reported_quality")
"""Figures that have a check of their own, or none."""

_REQUIRED = ("status", "epoch", "time_s", "epoch_time_s")
_HINTS: dict[str, Any] = get_type_hints(Measurement)
_OPTIONAL = {key for key, hint in _HINTS.items() if get_args(hint)}
"""Figures that may be None."""


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _check_values(known: Mapping[str, Any], *, is_ok: bool) -> None:
    """Refuses what no training can have given.

    Raises:
        ReportError: The message names the value and what it must be.
    """
    for key, value in known.items():
        if isinstance(value, float) and key not in ("nrmse", "epoch_time_s") and not math.isfinite(value):
            raise _impossible(key, value, "a finite number")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and key not in _OF_ANY_SIGN and (is_ok or math.isfinite(value)):
            _check_bounds(key, value)
    if not is_ok:
        return
    for key in ("nrmse", "epoch", "time_s", "epoch_time_s"):
        if not known[key] > 0:
            raise _impossible(key, known[key], "more than 0")


def figure(key: str, value: Any) -> float:
    """Reads a figure that cannot be negative.

    Args:
        key: Its name, which ends in its unit.
        value: As it was reported.

    Raises:
        ReportError: It is no number, or one that cannot be.
    """
    number = real(key, value)
    if not math.isfinite(number):
        raise _impossible(key, number, "a finite number")
    _check_bounds(key, number)
    return number


def _check_bounds(key: str, value: float) -> None:
    if value < 0:
        raise _impossible(key, value, "0 or more")
    most = next((most for unit, most in _MOST.items() if key.endswith(unit)), _MOST_ELSE)
    if value > most:  # NaN is not
        raise _impossible(key, value, f"at most {most:g}")


def _impossible(key: str, value: object, wanted: str) -> ReportError:
    return ReportError(
        f"the stage reported {key}={one_line(repr(value), 40)}, which must be {wanted}.",
        f"correct {key} in what the stage returns or the script prints.",
    )


def _wrong_type(key: str, value: object, wanted: str) -> ReportError:
    shown = one_line(repr(value), 100)
    return ReportError(
        f"the stage reported {key}={shown}, which is not {wanted}.",
        f"report {key} as {wanted}.",
    )


def _reader(key: str, hint: Any) -> Callable[[str, Any], Any]:
    """Returns the function that reads a value of a report into a field of that type."""
    wanted = get_args(hint)[0] if key in _OPTIONAL else hint
    return {float: real, int: _whole, bool: _flag, str: _text, Status: _status}[wanted]


def real(key: str, value: Any) -> float:
    """Reads a number of a report.

    Raises:
        ReportError: It is not a number, or one that no float can hold.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise _wrong_type(key, value, "a number")
    try:
        return float(value)
    except OverflowError:
        raise _impossible(key, math.inf, "a finite number") from None


def _whole(key: str, value: Any) -> int:
    number = real(key, value)
    if not math.isfinite(number) or number != int(number):
        raise _wrong_type(key, value, "a whole number")
    return int(value)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise _wrong_type(key, value, "true or false")
    return bool(value)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(key, value, "text")
    return one_line(value, MAX_TEXT)


def _status(key: str, value: Any) -> Status:
    try:
        return Status(value)
    except ValueError:
        raise _wrong_type(key, value, f"one of {', '.join(Status)}") from None


_READERS = {key: _reader(key, hint) for key, hint in _HINTS.items()}
