"""The options that a study may set for this stage, the same for all its trials; checks them.

Knows names, defaults and valid values. Does not know the parameters of a trial, data, networks
or training.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from foundation.quality_name import STAGE_OPTION

WINDOWS_PER_TRAJECTORY = 4
PROBLEMS = ("burgers", "turbulence2d")
GRID_POINTS = {"burgers": (16, 32, 64, 128), "turbulence2d": (16, 32, 64, 128, 192, 256)}
TURBULENCE_SIZES: dict[str, int] = {
    "num_eval_trajectories": 100,
    "grid_points": 128,
    "teacher_width": 16,
    "teacher_depth": 144,
    "teacher_steps": 4000,
}
"""Sizes of ``turbulence2d`` in place of the defaults: a row costs about a gigabyte (docs/stage.md)."""

_DEVICES = ("auto", "cpu", "cuda")
_DATA_DEVICES = ("auto", "device", "host")


def default_cache_dir() -> str:
    """Returns the folder ``distill-tuner`` under ``$XDG_CACHE_HOME``, or under ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return str(Path(root) / "distill-tuner")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOptions:
    """The options that define the problem; the same for all trials of a study.

    Attributes:
        num_samples: Training pairs; four from each trajectory.
        num_eval_trajectories: Trajectories of the held-out and of the final split, each.
        grid_points: Points along each axis of a field; the solver may use more.
        operator_width: Width of the operator's network.
        operator_depth: Blocks of the operator's network.
        operator_steps: Optimizer steps of the operator.
        teacher_width: Width of the teacher, hence of the student.
        teacher_depth: Blocks of the teacher, hence of the student.
        teacher_steps: Optimizer steps of the teacher; fewer raise every NRMSE of the study.
        problem: ``burgers`` (1-D) or ``turbulence2d`` (2-D); ``parse`` also takes ``auto``, which is
            ``turbulence2d`` on CUDA and ``burgers`` on a CPU.
        device: ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.
        data_device: Where the training pairs are while a card trains: ``device``; ``host``, from where
            they are copied part by part; ``auto``: the device, unless they need over a quarter of what is
            free on it. On a CPU it means nothing.
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
    problem: str = "burgers"
    device: str = "auto"
    data_device: str = "auto"
    cache_dir: str = ""
    data_seed: int = 0

    def __post_init__(self) -> None:
        if self.problem not in PROBLEMS:
            raise ValueError(
                f"stage option problem={self.problem!r} is unknown. Fix: use one of {('auto', *PROBLEMS)}."
            )
        for name in _COUNTS:
            require_int("stage option", name, getattr(self, name), minimum=1)
        require_int("stage option", "data_seed", self.data_seed, minimum=0)
        if self.num_samples % WINDOWS_PER_TRAJECTORY:
            raise ValueError(
                f"stage option num_samples={self.num_samples} is not a multiple of "
                f"{WINDOWS_PER_TRAJECTORY}. Fix: every trajectory gives "
                f"{WINDOWS_PER_TRAJECTORY} pairs; use {self.num_samples // 4 * 4 + 4}."
            )
        sizes = GRID_POINTS[self.problem]
        if self.grid_points not in sizes:
            *most, last = (str(size) for size in sizes)
            raise ValueError(
                f"stage option grid_points={self.grid_points} is not supported. "
                f"Fix: use {', '.join(most)} or {last}."
            )
        for name, known in (("device", _DEVICES), ("data_device", _DATA_DEVICES)):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"stage option {name}={value!r} is unknown. Fix: use one of {known}.")
        if not isinstance(self.cache_dir, str):
            raise ValueError(
                f"stage option cache_dir={self.cache_dir!r} is not text. Fix: write a path, or "
                'leave it out for "$XDG_CACHE_HOME/distill-tuner".'
            )

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Builds options from a study's dict: settles the problem, and takes its sizes as defaults.

        Raises:
            ValueError: Unknown key, or a value that makes no sense; says which and the fix.
        """
        if STAGE_OPTION in raw:
            raise ValueError(
                "this stage reports nrmse and no other quality. Fix: leave metric out of the study."
            )
        reject_unknown("stage option", raw, [f.name for f in fields(cls)])
        given = dict(raw)
        if given.get("problem", "auto") == "auto":
            on_card = given.get("device", "auto") != "cpu" and _has_card()
            given["problem"] = "turbulence2d" if on_card else "burgers"
        sizes = TURBULENCE_SIZES if given["problem"] == "turbulence2d" else {}
        return cls(**(sizes | given))

    @property
    def num_dims(self) -> int:
        """Number of axes of a field."""
        return 2 if self.problem == "turbulence2d" else 1

    @property
    def num_points(self) -> int:
        """Number of points of a whole field, N."""
        return int(self.grid_points**self.num_dims)

    def of_quality(self) -> dict[str, Any]:
        """Returns the options on which NRMSE depends: all but where things are kept and computed."""
        return {name: value for name, value in asdict(self).items() if name not in _PLACES}

    def resolved_device(self) -> str:
        """Returns what ``device`` means on this machine: ``cuda`` or ``cpu``."""
        available = _has_card()
        if self.device == "cuda" and not available:
            raise ValueError(
                "stage option device='cuda', but torch sees no CUDA device here. "
                "Fix: use 'auto' or 'cpu', or install a CUDA build of torch."
            )
        return "cuda" if available and self.device != "cpu" else "cpu"

    def cache_path(self) -> Path:
        """The cache folder, with ``~`` expanded."""
        return Path(self.cache_dir or default_cache_dir()).expanduser()


def check_study(options: Mapping[str, Any], varying: Collection[str], fixed: Collection[str]) -> None:
    """Raises ValueError for options with which no trial could run; asks neither torch nor a card.

    Args:
        options: The stage's options.
        varying: Parameters with more than one value; all that a study may have are known to the stage.
        fixed: Parameters with a single value.
    """
    told = options.get("problem", "auto")
    mistakes = []
    for problem in PROBLEMS if told == "auto" else (told,):  # which of them auto is, the card decides
        try:
            StageOptions.parse({**options, "problem": problem})
        except ValueError as error:
            mistakes.append(error)
        else:
            return
    raise mistakes[0]


def _has_card() -> bool:
    import torch

    return torch.cuda.is_available()


_PLACES = ("device", "data_device", "cache_dir")
_NO_COUNTS = ("problem", "data_seed", *_PLACES)
_COUNTS = tuple(f.name for f in fields(StageOptions) if f.name not in _NO_COUNTS)


def require_int(what: str, name: str, value: object, *, minimum: int) -> None:
    """Raises ValueError unless ``value`` is a whole number >= ``minimum`` (bool is not one)."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(
            f"{what} {name}={value!r} is not a whole number >= {minimum}. "
            f"Fix: write one, such as {name}: {max(minimum, 4)}."
        )


def reject_unknown(what: str, raw: Mapping[str, Any], known: list[str]) -> None:
    """Raises ValueError for the first key that is not in ``known``."""
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(known)}."
            raise ValueError(f"unknown {what} {key!r}. Fix: {hint}")
