"""What a stage reported after an epoch, checked once where it enters.

Knows the words and units of a report, not who made it (Ray, the simulator, a test).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, get_args, get_type_hints

from tuner.errors import StageError


class Status(StrEnum):
    """How an epoch went. Running out of memory and diverging are answers, not errors."""

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
        nrmse: Validation NRMSE after this epoch: what the target bounds.
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
        resumed: Whether the trial was restored from a checkpoint; its times are then not comparable.
        device: Name of the card or processor it ran on.
        load_average: The machine's one-minute load when the epoch ended.
        error: What went wrong, in one line; empty when ok.
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
        contended_reason: By what it was disturbed, in words; empty when it was not.
        peak_reserved_gib: Peak of what the card's allocator reserved.
        num_alloc_retries: Allocations that had to empty the allocator's cache first: the card was full.
        gpu_util_pct: Mean utilisation of the card while training.
        gpu_memory_gib: Most memory in use on the card, by everybody.
        power_w: Mean power of the card while training.
        energy_j: Energy of the card while training, summed.
        temperature_c: Highest temperature of the card while training.
        sm_clock_mhz: Mean clock of the card's multiprocessors while training.
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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measurement:
        """Builds a measurement from a stage's report; keys that are not ours are ignored.

        A report that claims to be ok but whose `nrmse` or times are not usable numbers becomes
        status nan.

        Raises:
            StageError: A key every report must have is missing, or has the wrong type.
        """
        given = {"nrmse": math.nan} | {k: v for k, v in values.items() if v is not None}
        missing = [key for key in _REQUIRED if key not in given]
        if missing:
            raise StageError(
                f"the stage's report lacks {', '.join(missing)}.",
                "return them from every train() call; see MeasuredTrainable.",
            )
        try:
            known = {key: cast(given[key]) for key, cast in _CASTS.items() if key in given}
            known = {k: v for k, v in known.items() if k not in _OPTIONAL or math.isfinite(v)}
        except (TypeError, ValueError) as error:
            raise StageError(f"the stage's report has a value of the wrong type: {error}.") from error
        broken = [k for k, v in known.items() if isinstance(v, float) and not math.isfinite(v)]
        if known["status"] is Status.OK and (broken or known["time_s"] <= 0):
            known["status"] = Status.NAN
            known["error"] = f"reported as ok with nrmse={given['nrmse']}, time_s={given['time_s']}"
        zeroed = {key: 0.0 for key in broken if key != "nrmse"}
        nrmse = known["nrmse"] if known["status"] is Status.OK else math.nan
        return cls(**known | zeroed | {"nrmse": nrmse})

    def as_dict(self) -> dict[str, Any]:
        """The measurement as plain JSON values, a NaN as None; `from_dict` reads it back."""
        nrmse = None if math.isnan(self.nrmse) else self.nrmse
        return asdict(self) | {"status": self.status.value, "nrmse": nrmse}


_REQUIRED = ("status", "epoch", "time_s", "epoch_time_s")
_HINTS: dict[str, Any] = get_type_hints(Measurement)
_OPTIONAL = {key for key, hint in _HINTS.items() if get_args(hint)}
"""Figures that may be None: one that is no finite number was not measured, and spoils nothing else."""
_CASTS: dict[str, Any] = {k: get_args(h)[0] if k in _OPTIONAL else h for k, h in _HINTS.items()}
