"""The parameters that a trial tunes: the guide's names and the knobs around them; checks them.

Knows names, defaults, valid values, and the work that a choice means. Does not know data,
networks or training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from trainables.consistency.options import reject_unknown, require_int
from trainables.trial import EpochCounts

IMPLEMENTATIONS = ("fast", "naive")
PRECISIONS = ("fp32", "tf32", "bf16")
TAU_STRATEGIES = ("stratified", "shared", "random")
LR_SCALINGS = ("linear", "sqrt", "none")
EMA_UNITS = ("step", "sample")

_COUNTS = ("batch_size", "micro_batch", "num_taus", "accum_steps")
_REQUIRED = ("batch_size", "micro_batch", "num_taus")
_CHOICES = {
    "implementation": IMPLEMENTATIONS,
    "precision": PRECISIONS,
    "tau_strategy": TAU_STRATEGIES,
    "lr_scaling": LR_SCALINGS,
    "ema_unit": EMA_UNITS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillParams:
    """The parameters that a trial tunes, under the guide's names. A study may vary any of them.

    Attributes:
        batch_size: Samples per batch.
        micro_batch: Samples per forward and backward; divides ``batch_size``.
        num_taus: Noise levels per sample.
        accum_steps: Batches per optimizer step.
        implementation: ``fast``, or ``naive``: the guide's loops. The same losses to rounding.
        precision: ``fp32``; ``tf32`` matrix products and convolutions (CUDA only; on a CPU the same as
            fp32); ``bf16`` autocast. Evaluation is always fp32.
        compile: Whether ``fast`` compiles the loss with ``torch.compile``, in the warm-up.
        tau_strategy: ``stratified``: one level in each of num_taus equal parts of the schedule, drawn
            for every sample; ``shared``: the same, drawn once for all samples of a batch; ``random``:
            independent levels from the whole schedule.
        tau_schedule: ``num_taus`` of epoch 1, 2, ...; the last holds for all later epochs. Written as
            "5,4,3" or a list; its largest must equal ``num_taus``. Empty: always ``num_taus``.
        lr_scaling: How the learning rate grows with batch_size * accum_steps: ``linear``, ``sqrt`` or
            ``none``.
        ema_unit: Whether both averages forget per optimizer ``step``, or per ``sample``, so that large
            batches average over as many samples as small ones.
        drop_last: None: round-half-up(num_samples / batch_size) whole batches, whose last is filled up
            from another permutation; True: what does not fill a batch is left out of that epoch;
            False: the last batch is what is left, its loss a mean over fewer samples.
    """

    batch_size: int
    micro_batch: int
    num_taus: int
    accum_steps: int = 1
    implementation: str = "fast"
    precision: str = "fp32"
    compile: bool = False
    tau_strategy: str = "stratified"
    tau_schedule: tuple[int, ...] = ()
    lr_scaling: str = "linear"
    ema_unit: str = "step"
    drop_last: bool | None = None

    def __post_init__(self) -> None:
        for name in _COUNTS:
            require_int("parameter", name, getattr(self, name), minimum=1)
        _require_bool("compile", self.compile)
        if self.drop_last is not None:
            _require_bool("drop_last", self.drop_last)
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(
                    f"parameter {name}={value!r} is unknown. Fix: use one of {', '.join(known)}."
                )
        if self.batch_size % self.micro_batch:
            divisors = [m for m in range(1, self.batch_size + 1) if self.batch_size % m == 0]
            raise ValueError(
                f"parameter micro_batch={self.micro_batch} does not divide "
                f"batch_size={self.batch_size}. Fix: use one of {divisors}."
            )
        if self.tau_schedule and max(self.tau_schedule) != self.num_taus:
            raise ValueError(
                f"parameter tau_schedule={','.join(map(str, self.tau_schedule))} does not have "
                f"num_taus={self.num_taus} as its largest. Fix: num_taus: {max(self.tau_schedule)}."
            )
        if self.implementation == "naive" and self.compile:
            raise ValueError(
                "parameter implementation='naive' does not support compile. "
                "Fix: leave compile out, or use implementation: fast."
            )

    @classmethod
    def parse(cls, raw: Mapping[str, Any], *, num_samples: int) -> Self:
        """Builds parameters from a trial's dict, for a training set of ``num_samples``.

        Raises:
            ValueError: Unknown or missing key, or a value that makes no sense.
        """
        reject_unknown("parameter", raw, [f.name for f in fields(cls)])
        missing = [n for n in _REQUIRED if n not in raw]
        if missing:
            raise ValueError(f"parameter {missing[0]} is missing. Fix: give it a whole number.")
        values = dict(raw)
        if "tau_schedule" in values:
            values["tau_schedule"] = _parse_schedule(values["tau_schedule"])
        params = cls(**values)
        if params.batch_size > num_samples:
            raise ValueError(
                f"parameter batch_size={params.batch_size} exceeds num_samples={num_samples}. "
                "Fix: lower batch_size, or raise the stage option num_samples."
            )
        return params

    @property
    def effective_batch_size(self) -> int:
        """Number of samples per optimizer step."""
        return self.batch_size * self.accum_steps

    @property
    def num_micro_batches(self) -> int:
        """Number of forward and backward launches per batch."""
        return self.batch_size // self.micro_batch

    def taus_in(self, epoch: int) -> int:
        """Returns the number of noise levels per sample in epoch ``epoch`` (from 1)."""
        if not self.tau_schedule:
            return self.num_taus
        return self.tau_schedule[min(epoch, len(self.tau_schedule)) - 1]

    def samples_in_epoch(self, num_samples: int) -> int:
        """Returns how many of ``num_samples`` samples an epoch trains on: 333 * 6 of 2000 at batch_size 6."""
        if self.drop_last is None:
            return (2 * num_samples + self.batch_size) // (2 * self.batch_size) * self.batch_size
        return num_samples // self.batch_size * self.batch_size if self.drop_last else num_samples

    def batches_in_epoch(self, num_samples: int) -> int:
        """Returns the number of batches in an epoch; the last may be ragged if ``drop_last`` is False."""
        return -(-self.samples_in_epoch(num_samples) // self.batch_size)

    def expected_counts(self, num_samples: int, epoch: int, *, num_epochs: int) -> EpochCounts:
        """Returns the work that an epoch must execute, by the cost mathematics (its loss is 0 here)."""
        samples, batches = self.samples_in_epoch(num_samples), self.batches_in_epoch(num_samples)
        steps = [e * batches // self.accum_steps for e in (epoch - 1, epoch)]
        flushed = epoch == num_epochs and epoch * batches % self.accum_steps > 0
        return EpochCounts(
            num_chunks=-(-samples // self.micro_batch),
            num_sample_evals=samples * self.taus_in(epoch),
            num_optimizer_steps=steps[1] - steps[0] + flushed,
        )


def _require_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"parameter {name}={value!r} is not true or false. Fix: write one of them.")


def _parse_schedule(raw: object) -> tuple[int, ...]:
    """Returns the tuple that "5,4,3" or [5, 4, 3] means; empty for "" and []."""
    parts = raw.split(",") if isinstance(raw, str) and raw else raw or ()
    if isinstance(parts, (list, tuple)):
        try:
            values = tuple(int(p) if isinstance(p, str) else p for p in parts)
        except ValueError:
            values = (0,)
        if all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in values):
            return values
    raise ValueError(
        f"parameter tau_schedule={raw!r} is not a list of whole numbers >= 1. "
        'Fix: write one, such as tau_schedule: "5,4,3".'
    )
