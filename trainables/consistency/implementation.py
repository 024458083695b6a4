"""The contract of the two implementations, which compute the same losses: weights, and the work on them.

An implementation owns weights, optimizer and averages, and computes what it is told to. Does not know
seeds, data order, schedules or counters: those are the engine's.

Shape legend: m samples of a part, J noise levels per sample, N grid points.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.consistency.networks import FieldNet
from trainables.consistency.params import DistillParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Whole batches of an epoch, in training order, drawn before they are cut into chunks.

    Attributes:
        rows: The columns of its training pairs that the implementation ``reads``, (m, ...) each.
        z: Noise (m, J, N).
        s1: Student's noise levels (m, J).
        s0: Levels one schedule step below (m, J).
        prepared: The results that the implementation computed from these in advance.
    """

    rows: dict[str, Tensor]
    z: Tensor
    s1: Tensor
    s0: Tensor
    prepared: Any = None


class Implementation(ABC):
    """The weights of a student and its averages, and the work on them.

    Attributes:
        reads: Columns of the training split that it needs.
        student: The network that is trained.
        target: The student's short average, towards which it is trained.
        evaluated: The student's long average, whose quality counts.

    Args:
        teacher: D, on the device; frozen from now on.
        params: The parameters to tune.
    """

    reads: ClassVar[tuple[str, ...]]
    optimizer: torch.optim.Optimizer

    def __init__(self, teacher: FieldNet, params: DistillParams) -> None:
        self.teacher = teacher.requires_grad_(False)
        self.student = copy.deepcopy(teacher).requires_grad_(True)
        self.target = copy.deepcopy(teacher)
        self.evaluated = copy.deepcopy(teacher)
        self.params = params

    @abstractmethod
    def prepare(self, part: Part) -> Any:
        """Does what is best done once for a whole part; timed as training."""

    @abstractmethod
    def add_gradient(self, part: Part, chunk: slice, share: float) -> Tensor | float:
        """Adds the gradient of share * (sum of the loss over the chunk's rows); returns that loss."""

    @abstractmethod
    def step(self, lr: float, target_decay: float, evaluation_decay: float) -> None:
        """Applies and clears the accumulated gradient, then moves both averages."""

    @abstractmethod
    def gradients(self) -> list[Tensor | None]:
        """Returns the accumulated gradients, in the order of the student's parameters."""

    @abstractmethod
    def set_gradients(self, gradients: list[Tensor | None]) -> None:
        """Replaces the accumulated gradients by the given ones."""

    def load_optimizer(self, state: dict[str, Any]) -> None:
        """Replaces the optimizer's state by the given one."""
        self.optimizer.load_state_dict(state)

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Captures what it can of the body, which runs the shapes of training. Default: nothing."""
        yield
