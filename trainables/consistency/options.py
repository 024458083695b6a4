"""What a study may set of this stage: its options, and its tunable parameters; both checked here.

Knows names, defaults and what makes no sense. Does not know data, networks or training.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch

WINDOWS_PER_TRAJECTORY = 4
_DEVICES = ("auto", "cpu", "cuda")


def default_cache_dir() -> str:
    """``distill-tuner`` under ``$XDG_CACHE_HOME``, or under ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return str(Path(root) / "distill-tuner")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOptions:
    """Everything that defines the problem; the same for all trials of a study.

    Attributes:
        num_samples: Training pairs; four from each trajectory.
        num_eval_trajectories: Trajectories of the held-out and of the final split, each.
        grid_points: Points N of a field; the solver uses twice as many.
        operator_width: Width of the operator's network.
        operator_depth: Blocks of the operator's network.
        operator_steps: Optimizer steps of the operator.
        teacher_width: Width of the teacher, hence of the student.
        teacher_depth: Blocks of the teacher, hence of the student.
        teacher_steps: Optimizer steps of the teacher; fewer raise every NRMSE of the study.
        device: ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.
        cache_dir: Where data, operator and teacher are kept; ``""`` is ``default_cache_dir()``.
        data_seed: Seed of data, operator, teacher and evaluation noise (not of the trials).
    """

    num_samples: int = 2000
    num_eval_trajectories: int = 400
    grid_points: int = 64
    operator_width: int = 16
    operator_depth: int = 2
    operator_steps: int = 150
    teacher_width: int = 32
    teacher_depth: int = 4
    teacher_steps: int = 800
    device: str = "auto"
    cache_dir: str = ""
    data_seed: int = 0

    def __post_init__(self) -> None:
        for name in _COUNTS:
            _require_int("stage option", name, getattr(self, name), minimum=1)
        _require_int("stage option", "data_seed", self.data_seed, minimum=0)
        if self.num_samples % WINDOWS_PER_TRAJECTORY:
            raise ValueError(
                f"stage option num_samples={self.num_samples} is not a multiple of "
                f"{WINDOWS_PER_TRAJECTORY}. Fix: every trajectory gives "
                f"{WINDOWS_PER_TRAJECTORY} pairs; use {self.num_samples // 4 * 4 + 4}."
            )
        if self.grid_points not in (16, 32, 64, 128):
            raise ValueError(
                f"stage option grid_points={self.grid_points} is not supported. Fix: use 16, 32, 64 or 128."
            )
        if self.device not in _DEVICES:
            raise ValueError(f"stage option device={self.device!r} is unknown. Fix: use one of {_DEVICES}.")
        if not isinstance(self.cache_dir, str):
            raise ValueError(
                f"stage option cache_dir={self.cache_dir!r} is not text. Fix: write a path, or "
                'leave it out for "$XDG_CACHE_HOME/distill-tuner".'
            )

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Builds options from a study's dict.

        Raises:
            ValueError: Unknown key, or a value that makes no sense; says which and the fix.
        """
        _reject_unknown("stage option", raw, [f.name for f in fields(cls)])
        return cls(**raw)

    def resolved_device(self) -> str:
        """``cuda`` or ``cpu``: what ``device`` means on this machine."""
        available = torch.cuda.is_available()
        if self.device == "cuda" and not available:
            raise ValueError(
                "stage option device='cuda', but torch sees no CUDA device here. "
                "Fix: use 'auto' or 'cpu', or install a CUDA build of torch."
            )
        return "cuda" if available and self.device != "cpu" else "cpu"

    def cache_path(self) -> Path:
        """The cache folder, with ``~`` expanded."""
        return Path(self.cache_dir or default_cache_dir()).expanduser()


_COUNTS = tuple(f.name for f in fields(StageOptions) if f.name not in ("device", "cache_dir", "data_seed"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillParams:
    """What a trial tunes, under the guide's names.

    Attributes:
        batch_size: Samples per batch.
        micro_batch: Samples per forward and backward; divides ``batch_size``.
        num_taus: Noise levels per sample.
        accum_steps: Batches per optimizer step.
    """

    batch_size: int
    micro_batch: int
    num_taus: int
    accum_steps: int = 1

    def __post_init__(self) -> None:
        for f in fields(self):
            _require_int("parameter", f.name, getattr(self, f.name), minimum=1)
        if self.batch_size % self.micro_batch:
            divisors = [m for m in range(1, self.batch_size + 1) if self.batch_size % m == 0]
            raise ValueError(
                f"parameter micro_batch={self.micro_batch} does not divide "
                f"batch_size={self.batch_size}. Fix: use one of {divisors}."
            )

    @classmethod
    def parse(cls, raw: Mapping[str, Any], *, num_samples: int) -> Self:
        """Builds parameters from a trial's dict, for a training set of ``num_samples``.

        Raises:
            ValueError: Unknown or missing key, or a value that makes no sense.
        """
        _reject_unknown("parameter", raw, [f.name for f in fields(cls)])
        missing = [n for n in ("batch_size", "micro_batch", "num_taus") if n not in raw]
        if missing:
            raise ValueError(f"parameter {missing[0]} is missing. Fix: give it a whole number.")
        params = cls(**raw)
        if params.batch_size > num_samples:
            raise ValueError(
                f"parameter batch_size={params.batch_size} exceeds num_samples={num_samples}. "
                "Fix: lower batch_size, or raise the stage option num_samples."
            )
        return params

    @property
    def effective_batch_size(self) -> int:
        """Samples per optimizer step."""
        return self.batch_size * self.accum_steps

    @property
    def num_micro_batches(self) -> int:
        """Forward and backward launches per batch."""
        return self.batch_size // self.micro_batch


def _require_int(what: str, name: str, value: object, *, minimum: int) -> None:
    """Raises ValueError unless ``value`` is a whole number >= ``minimum`` (bool is not one)."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(
            f"{what} {name}={value!r} is not a whole number >= {minimum}. "
            f"Fix: write one, such as {name}: {max(minimum, 4)}."
        )


def _reject_unknown(what: str, raw: Mapping[str, Any], known: list[str]) -> None:
    """Raises ValueError for the first key that is not in ``known``."""
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
            raise ValueError(f"unknown {what} {key!r}. Fix: {hint}")
