"""The dict that starts a trial, checked and turned into a value; and what an epoch reports.

Knows the shape of the exchange with the study. Does not know Ray, torch or any stage's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """One trial, as the study asks for it.

    Attributes:
        params: What this trial tunes; only the stage knows the names.
        seed: Seed of everything random in training.
        num_epochs: Full budget; one ``train()`` call is one epoch.
        options: The stage's options (``stage`` in the dict), the same for a whole study.
        num_threads: CPU threads of compute.
    """

    params: Mapping[str, Any]
    seed: int = 0
    num_epochs: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    num_threads: int = 1

    def __post_init__(self) -> None:
        for name, minimum in (("seed", 0), ("num_epochs", 1), ("num_threads", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
                raise ValueError(
                    f"trial config {name}={value!r} is not a whole number >= {minimum}. "
                    f"Fix: write one, such as {name}: {minimum}."
                )
        for name, value in (("params", self.params), ("stage", self.options)):
            if not isinstance(value, Mapping):
                raise ValueError(f"trial config {name}={value!r} is not a dict. Fix: make it one.")

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Self:
        """Reads the dict that Ray hands to ``setup`` and ``reset_config``.

        Raises:
            ValueError: Unknown or missing key, or a value that makes no sense.
        """
        known = ("params", "seed", "num_epochs", "stage", "num_threads")
        unknown = [key for key in config if key not in known]
        if unknown:
            raise ValueError(f"unknown trial config key {unknown[0]!r}. Fix: known are {', '.join(known)}.")
        if "params" not in config:
            raise ValueError("trial config has no 'params'. Fix: give the stage's parameters.")
        values = {("options" if key == "stage" else key): value for key, value in config.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """Configurations to time instead of training one, as the study asks for it.

    Attributes:
        configs: The parameters of each.
        seed: Of the throw-away training.
        options: The stage's options (``stage`` in the dict).
        num_threads: CPU threads of compute.
    """

    configs: tuple[Mapping[str, Any], ...]
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    num_threads: int = 1

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Self | None:
        """Reads the dict that Ray hands over; None when it is a trial's."""
        if "probe" not in config:
            return None
        values = {_PROBE_FIELDS.get(key, key): value for key, value in config.items()}
        return cls(**values | {"configs": tuple(values["configs"])})


_PROBE_FIELDS = {"probe": "configs", "stage": "options"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochCounts:
    """Work that was really executed, counted where it was done.

    Attributes:
        num_chunks: Micro-batch launches (one forward and backward each).
        num_sample_evals: Rows in them: samples x noise levels.
        num_optimizer_steps: Optimizer steps.
        loss: Mean training loss of the epoch; used to notice a run that broke.
    """

    num_chunks: int = 0
    num_sample_evals: int = 0
    num_optimizer_steps: int = 0
    loss: float = 0.0

    def plus(self, other: EpochCounts) -> EpochCounts:
        """Work added up; the loss is the later one's."""
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
                    f"epoch {epoch} executed {name}={executed}, its cost mathematics says {due}. "
                    "Fix: train_epoch must do, and count, all the work of expected_counts."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeUnit:
    """A piece of work that an epoch repeats, for the probe to time.

    Attributes:
        name: Tells it from the trial's other units.
        run: Does it once, in real shapes and for real: the trial is thrown away afterwards. Need
            not wait for the device.
        per_epoch: How often an epoch does it; need not be whole.
    """

    name: str
    run: Callable[[], object]
    per_epoch: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a trial stands after an epoch.

    Attributes:
        status: ``ok``, ``oom`` or ``nan``.
        error: Why it is not ok, one line; "" when ok.
        nrmse: Quality after this epoch; NaN when not ok.
    """

    status: str
    error: str = ""
    nrmse: float = float("nan")
