"""Checks the dict that starts a trial and turns it into a value; defines what an epoch reports.

Knows the shape of the exchange with the study. Does not know Ray, torch or any stage's parameters.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, Self

from foundation import quality_name


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """A trial, as the study asks for it.

    Attributes:
        params: The parameters that this trial tunes; only the stage knows the names.
        seed: Seed of everything random in training.
        num_epochs: Full budget; one ``train()`` call is one epoch.
        options: The stage's options (``stage`` in the dict), the same for a whole study.
        num_threads: CPU threads of compute.
        device: Name of the device that the study measures; empty if any will do.
        checkpoints: Folder that keeps the newest checkpoint, see ``checkpoint``; empty if none is kept.
        from_epoch: Epoch from whose checkpoint the trial continues; 0 if it begins anew.
        measure_start: Whether the NRMSE of the untrained start is wanted; the stage says that it can.
    """

    params: Mapping[str, Any]
    seed: int = 0
    num_epochs: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    num_threads: int = 1
    device: str = ""
    checkpoints: str = ""
    from_epoch: int = 0
    measure_start: bool = False

    def __post_init__(self) -> None:
        for name, minimum in (("seed", 0), ("num_epochs", 1), ("num_threads", 1), ("from_epoch", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
                raise ValueError(
                    f"trial config {name}={value!r} is not a whole number >= {minimum}. "
                    f"Fix: write one, such as {name}: {minimum}."
                )
        for name, value in (("params", self.params), ("stage", self.options)):
            if not isinstance(value, Mapping):
                raise ValueError(f"trial config {name}={value!r} is not a dict. Fix: make it one.")

    @property
    def measures_start(self) -> bool:
        """Whether the untrained start is to be measured: not in a trial that goes on from a checkpoint."""
        return self.measure_start and not self.from_epoch

    @property
    def quality(self) -> str:
        """Name of the quality figure."""
        return str(self.options.get(quality_name.STAGE_OPTION, quality_name.DEFAULT))

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Self:
        """Reads the dict that Ray hands to ``setup`` and ``reset_config``.

        Raises:
            ValueError: Unknown or missing key, or a value that makes no sense.
        """
        known = {("stage" if field.name == "options" else field.name): None for field in fields(cls)}
        unknown = [key for key in config if key not in known]
        if unknown:
            raise ValueError(f"unknown trial config key {unknown[0]!r}. Fix: use one of {', '.join(known)}.")
        if "params" not in config:
            raise ValueError("trial config has no 'params'. Fix: give the stage's parameters.")
        values = {("options" if key == "stage" else key): value for key, value in config.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """Configurations to time instead of training one, as the study asks for it.

    Attributes:
        configs: The parameters of each configuration.
        seed: Seed of the throw-away training.
        options: The stage's options (``stage`` in the dict).
        num_threads: CPU threads of compute.
        device: Name of the device that the study measures; empty if any will do.
        num_epochs: Epochs of a whole training.
        limit_s: Seconds that a single start of a program may take; 0 if there is no limit.
    """

    configs: tuple[Mapping[str, Any], ...]
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    num_threads: int = 1
    device: str = ""
    num_epochs: int = 1
    limit_s: float = 0.0

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Self | None:
        """Reads the dict that Ray hands over; returns None if it is a trial's."""
        if "probe" not in config:
            return None
        values = {_PROBE_FIELDS.get(key, key): value for key, value in config.items()}
        return cls(**values | {"configs": tuple(values["configs"])})


_PROBE_FIELDS = {"probe": "configs", "stage": "options"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochCounts:
    """The work that was really executed, counted where it was done.

    Attributes:
        num_chunks: Micro-batch launches (one forward and backward each).
        num_sample_evals: Rows in these launches: samples x noise levels.
        num_optimizer_steps: Optimizer steps.
        loss: Mean training loss of the epoch; used to notice a run that broke.
    """

    num_chunks: int = 0
    num_sample_evals: int = 0
    num_optimizer_steps: int = 0
    loss: float = 0.0

    def plus(self, other: EpochCounts) -> EpochCounts:
        """Returns the sum of the work; the loss is that of the later epoch."""
        return EpochCounts(
            num_chunks=self.num_chunks + other.num_chunks,
            num_sample_evals=self.num_sample_evals + other.num_sample_evals,
            num_optimizer_steps=self.num_optimizer_steps + other.num_optimizer_steps,
            loss=other.loss,
        )

    def require(self, expected: EpochCounts, epoch: int) -> None:
        """Raises RuntimeError unless this is the expected work; losses are not compared."""
        for name in ("num_chunks", "num_sample_evals", "num_optimizer_steps"):
            executed, due = getattr(self, name), getattr(expected, name)
            if executed != due:
                raise RuntimeError(
                    f"epoch {epoch} executed {name}={executed}, but its cost mathematics says {due}. "
                    "Fix: train_epoch must do, and count, all the work of expected_counts."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeUnit:
    """A piece of work that an epoch repeats, for the probe to time.

    Attributes:
        name: Tells the unit from the trial's other units.
        run: Does the work once, in real shapes and for real: the trial is thrown away afterwards. Need
            not wait for the device.
        per_epoch: Times that an epoch does the work; need not be a whole number.
    """

    name: str
    run: Callable[[], object]
    per_epoch: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """The state of a trial after an epoch.

    Attributes:
        status: ``ok``, ``oom`` or ``nan``.
        error: One line that says why it is not ok; "" if it is.
        nrmse: NRMSE after this epoch, or the study's own figure; NaN if it is not ok.
    """

    status: str
    error: str = ""
    nrmse: float = float("nan")


def quality_of(metrics: Mapping[str, Any], name: str = quality_name.DEFAULT) -> float:
    """Returns the quality figure from ``evaluate``, a number or a tensor of one; TypeError for anything else.

    Args:
        metrics: As ``evaluate`` returned it.
        name: Name of the figure.
    """
    value: Any = metrics.get(name) if isinstance(metrics, Mapping) else None
    is_truth = isinstance(value, bool) or "bool" in str(getattr(value, "dtype", ""))
    if hasattr(value, "__float__") and not is_truth:
        with suppress(ValueError, TypeError):  # more than one number
            return float(value)
    raise TypeError(
        f"evaluate() returned {reprlib.repr(metrics)}, which has no number under {name!r}. "
        f"Fix: return {{{name!r}: float(...)}}; NaN says that there is no answer."
    )
