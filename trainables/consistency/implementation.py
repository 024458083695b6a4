"""What the two ways of computing the same losses have in common: weights, and the work on them.

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
        rows: What the implementation ``reads`` of its training pairs, (m, ...) each.
        z: Noise (m, J, N).
        s1: Student's noise levels (m, J).
        s0: Levels one schedule step below (m, J).
        prepared: What the implementation made of them.
    """

    rows: dict[str, Tensor]
    z: Tensor
    s1: Tensor
    s0: Tensor
    prepared: Any = None


class Implementation(ABC):
    """Weights and the work on them.

    Attributes:
        reads: Columns of the training split that it needs.
        student: Trained.
        target: Its short average, what the student is trained towards.
        evaluated: Its long average, whose quality counts.

    Args:
        teacher: D, on the device; frozen from now on.
        params: What is tuned.
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
        """Whatever is best done once for a whole part; timed as training."""

    @abstractmethod
    def add_gradient(self, part: Part, chunk: slice, share: float) -> Tensor | float:
        """Adds the gradient of share * (sum of the loss over the chunk's rows); returns that loss."""

    @abstractmethod
    def step(self, lr: float, target_decay: float, evaluation_decay: float) -> None:
        """Applies and clears the accumulated gradient, then moves both averages."""

    @abstractmethod
    def gradients(self) -> list[Tensor | None]:
        """The accumulated gradients, in the order of the student's parameters."""

    @abstractmethod
    def set_gradients(self, gradients: list[Tensor | None]) -> None:
        """Takes accumulated gradients over."""

    def load_optimizer(self, state: dict[str, Any]) -> None:
        """Takes the optimizer's state over."""
        self.optimizer.load_state_dict(state)

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """The body runs the shapes of training; what can be captured of it, is. Default: nothing."""
        yield
