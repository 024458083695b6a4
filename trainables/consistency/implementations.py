"""The two ways of computing the same losses: the guide's loops, and the fast one.

An implementation owns weights, optimizer and averages, and computes what it is told to. Knows
tensors, networks and kernels. Does not know seeds, data order, schedules or counters: the engine's.

Shape legend: M samples of an epoch, J noise levels per sample, N grid points, R = micro_batch x J.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.consistency import flat, schedules
from trainables.consistency.loss import Rows, consistency_loss, euler_step, loss_to_target
from trainables.consistency.networks import FieldNet, TokenNet, consistency_function
from trainables.consistency.params import DistillParams
from trainables.consistency.teacher import Split
from trainables.consistency.tokennet_gradient import Inputs, Kernel, denoiser_inputs, inputs_of

FROZEN_VALUES = 2**14
"""Grid values of a pass without gradient; such a pass keeps no activations, so it may have more rows
than a micro-batch (never fewer)."""

Operator = Callable[[Tensor], Tensor]
"""u (R, N) -> u_hat (R, N)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochData:
    """What one epoch trains on, all drawn before it is cut into chunks.

    Attributes:
        order: Samples in training order (M,).
        z: Noise (M, J, N).
        s1: Student's noise levels (M, J).
        s0: Levels one schedule step below (M, J).
        prepared: What the implementation made of them for the whole epoch.
    """

    order: Tensor
    z: Tensor
    s1: Tensor
    s0: Tensor
    prepared: Any = None


class Implementation(ABC):
    """Weights and the work on them.

    Attributes:
        student: Trained.
        target: Its short average, what the student is trained towards.
        evaluated: Its long average, whose quality counts.

    Args:
        teacher: D, frozen from now on.
        train: The training split, on the device.
        params: What is tuned.
    """

    def __init__(self, teacher: FieldNet, train: Split, params: DistillParams) -> None:
        self.teacher = teacher.requires_grad_(False)
        self.student = copy.deepcopy(teacher).requires_grad_(True)
        self.target = copy.deepcopy(teacher)
        self.evaluated = copy.deepcopy(teacher)
        self.train, self.params = train, params

    @abstractmethod
    def prepare(self, data: EpochData) -> Any:
        """Whatever is best done once for a whole epoch; timed as training."""

    @abstractmethod
    def add_gradient(self, data: EpochData, chunk: slice, share: float) -> Tensor | float:
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

    optimizer: torch.optim.Optimizer


class Naive(Implementation):
    """The guide's loops, as people write them: its cost is launches x noise levels.

    Operator and teacher are asked again for every chunk, every noise level is a forward pass of its
    own (their losses are summed before one backward), every loss is fetched from the device, and
    the averages go parameter by parameter.
    """

    def __init__(
        self,
        teacher: FieldNet,
        train: Split,
        params: DistillParams,
        operator: Operator,
        residual_std: float,
    ) -> None:
        super().__init__(teacher, train, params)
        self._operator, self._residual_std = operator, residual_std
        self.optimizer = torch.optim.Adam(self.student.parameters(), lr=0.0, betas=schedules.ADAM_BETAS)

    def prepare(self, data: EpochData) -> None:
        """Nothing."""

    def add_gradient(self, data: EpochData, chunk: slice, share: float) -> float:
        """One forward per noise level, one backward."""
        index = data.order[chunk]
        u, u_next = self.train.cond[index][..., 0], self.train.u_next[index]
        with torch.no_grad():
            u_hat = self._operator(u)
        residual = (u_next - u_hat) / self._residual_std
        cond = torch.stack([u, u_hat], dim=-1)
        loss = torch.zeros((), device=u.device)
        for j in range(data.s1.shape[1]):
            rows = Rows(
                residual=residual,
                cond=cond,
                z=data.z[chunk, j],
                s1=data.s1[chunk, j],
                s0=data.s0[chunk, j],
            )
            loss = loss + consistency_loss(self.student, self.target, self.teacher, rows)
        loss = share * loss
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    @torch.no_grad()
    def step(self, lr: float, target_decay: float, evaluation_decay: float) -> None:
        """Parameter by parameter."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.optimizer.zero_grad()
        for average, decay in ((self.target, target_decay), (self.evaluated, evaluation_decay)):
            for mean, parameter in zip(average.parameters(), self.student.parameters(), strict=True):
                mean.mul_(decay).add_(parameter, alpha=1.0 - decay)

    def gradients(self) -> list[Tensor | None]:
        """As autograd keeps them."""
        return [p.grad for p in self.student.parameters()]

    def set_gradients(self, gradients: list[Tensor | None]) -> None:
        """Copies to the parameters' device."""
        for p, g in zip(self.student.parameters(), gradients, strict=True):
            p.grad = None if g is None else g.to(p.device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tricks:
    """What ``Fast`` does beyond vectorising; the benchmark switches them on one by one.

    Attributes:
        flat: Weights, gradients and averages are one tensor each: few kernels per optimizer step.
        ahead: Teacher for the whole epoch, target network for a whole batch, in large passes.
        by_hand: TokenNet's gradient written out (CPU, fp32, not compiled; needs the other two).
    """

    flat: bool = True
    ahead: bool = True
    by_hand: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """Rows of an epoch in training order: x1, xh (M J, N), levels (M J,), conditions (M, N, 2)."""

    cond: Tensor
    x1: Tensor
    xh: Tensor | None
    s1: Tensor
    s0: Tensor
    student: Inputs | None = None
    target: Inputs | None = None


class Fast(Implementation):
    """The same losses: all levels of a chunk in one launch, nothing asked twice, nothing waited for.

    Args:
        teacher: D, frozen from now on.
        train: The training split, on the device.
        params: What is tuned.
        tricks: All of them, except in benchmarks.
    """

    def __init__(self, teacher: FieldNet, train: Split, params: DistillParams, tricks: Tricks) -> None:
        super().__init__(teacher, train, params)
        self._tricks = tricks
        self._use_kernel = (
            tricks.by_hand
            and isinstance(teacher, TokenNet)
            and train.residual.device.type == "cpu"
            and params.precision != "bf16"
            and not params.compile
        )
        trained: list[Tensor] = list(self.student.parameters())
        if tricks.flat:
            self._weights = flat.flatten(self.student)
            self._gradient = flat.flat_gradient(self.student)
            self._averages = torch.stack([self._weights, self._weights])  # target, evaluated: (2, P)
            flat.flatten(self.target, self._averages[0])
            flat.flatten(self.evaluated, self._averages[1])
            self._forget = self._weights.new_empty(2, 1)
            trained = [self._weights]
            self._weights.grad = self._gradient
        self.optimizer = torch.optim.Adam(trained, lr=0.0, betas=schedules.ADAM_BETAS, fused=True)
        self._targets: tuple[EpochData, int, int] | None = None  # epoch, its batch, version of the target
        self._y = train.residual  # their targets
        self._version = 0
        self._loss_to_target = loss_to_target
        if params.compile:
            self._loss_to_target = torch.compile(loss_to_target, dynamic=False)
        if self._use_kernel:
            self._student_kernel, self._target_kernel = (
                Kernel(_token_net(self.student)),
                Kernel(_token_net(self.target)),
            )
            self._teacher_kernel = Kernel(_token_net(self.teacher))

    @torch.no_grad()
    def prepare(self, data: EpochData) -> _Prepared:
        """Gathers the epoch; the teacher's Euler steps, and inputs that depend on no weight."""
        num_taus = data.s1.shape[1]
        cond = self.train.cond[data.order]
        s1, s0 = data.s1.flatten(), data.s0.flatten()
        x1 = self.train.residual[data.order][:, None] + data.s1[..., None] * data.z
        x1 = x1.flatten(0, 1)
        if not self._tricks.ahead:
            return _Prepared(cond=cond, x1=x1, xh=None, s1=s1, s0=s0)
        if self._use_kernel:
            return self._prepare_by_hand(cond, x1, s1, s0)
        xh = torch.empty_like(x1)
        for samples in self._blocks(0, cond.shape[0], num_taus):
            rows = slice(samples.start * num_taus, samples.stop * num_taus)
            cond_rows = cond[samples].repeat_interleave(num_taus, dim=0)
            xh[rows] = euler_step(self.teacher, x1[rows], s1[rows], s0[rows], cond_rows)
        return _Prepared(cond=cond, x1=x1, xh=xh, s1=s1, s0=s0)

    def _prepare_by_hand(self, cond: Tensor, x1: Tensor, s1: Tensor, s0: Tensor) -> _Prepared:
        """As ``prepare``; the teacher sees the student's inputs, only its skip and scale differ."""
        cond_rows = cond.repeat_interleave(x1.shape[0] // cond.shape[0], dim=0)
        student = inputs_of(_token_net(self.student), x1, s1, cond_rows)
        denoised = self._teacher_kernel.values(denoiser_inputs(student, x1, s1), self._block_rows())
        xh = denoised + (s0 / s1)[:, None] * (x1 - denoised)
        target = inputs_of(_token_net(self.target), xh, s0, cond_rows)
        return _Prepared(cond=cond, x1=x1, xh=xh, s1=s1, s0=s0, student=student, target=target)

    def add_gradient(self, data: EpochData, chunk: slice, share: float) -> Tensor:
        """One launch; where ``ahead``, the batch's targets are computed by its first chunk."""
        made: _Prepared = data.prepared
        num_taus = data.s1.shape[1]
        rows = slice(chunk.start * num_taus, chunk.stop * num_taus)
        first = chunk.start // self.params.batch_size * self.params.batch_size
        offset = rows.start - first * num_taus
        if made.student is not None:
            y = self._batch_targets(data, first)[:, offset : offset + rows.stop - rows.start]
            inputs = made.student.rows(rows.start, rows.stop)
            return self._student_kernel.add_gradient(inputs, y, share)
        cond = made.cond[chunk].repeat_interleave(num_taus, dim=0)
        if made.xh is not None:
            y = self._batch_targets(data, first)[offset : offset + rows.stop - rows.start]
        else:
            with torch.no_grad():
                xh = euler_step(self.teacher, made.x1[rows], made.s1[rows], made.s0[rows], cond)
                y = consistency_function(self.target, xh, made.s0[rows], cond)
        loss = share * self._loss_to_target(self.student, made.x1[rows], made.s1[rows], cond, y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def step(self, lr: float, target_decay: float, evaluation_decay: float) -> None:
        """One kernel for the optimizer, one for both averages."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self._version += 1
        with torch.no_grad():
            if self._tricks.flat:
                self._gradient.zero_()
                self._forget[0], self._forget[1] = 1.0 - target_decay, 1.0 - evaluation_decay
                self._averages.lerp_(self._weights.expand_as(self._averages), self._forget)
                return
            self.optimizer.zero_grad(set_to_none=True)
            student: list[Tensor] = list(self.student.parameters())
            torch._foreach_lerp_(list(self.target.parameters()), student, 1.0 - target_decay)
            torch._foreach_lerp_(list(self.evaluated.parameters()), student, 1.0 - evaluation_decay)

    def gradients(self) -> list[Tensor | None]:
        """Copies; autograd's or the flat gradient's parts."""
        return [None if p.grad is None else p.grad.clone() for p in self.student.parameters()]

    def set_gradients(self, gradients: list[Tensor | None]) -> None:
        """Copies into place: the flat gradient stays where it is."""
        for p, g in zip(self.student.parameters(), gradients, strict=True):
            if p.grad is not None and g is not None:
                p.grad.copy_(g)
            else:
                p.grad = None if g is None else g.to(p.device)
        self._targets = None
        self._version += 1

    @torch.no_grad()
    def _batch_targets(self, data: EpochData, first: int) -> Tensor:
        """Targets of the batch that begins at sample ``first``, computed once per batch and weights."""
        key = (data, first, self._version)
        known = self._targets
        if known is not None and known[0] is data and known[1:] == key[1:]:
            return self._y
        made, num_taus = data.prepared, data.s1.shape[1]
        parts = []
        for samples in self._blocks(first, min(first + self.params.batch_size, len(data.order)), num_taus):
            rows = slice(samples.start * num_taus, samples.stop * num_taus)
            if made.target is not None:
                parts.append(self._target_kernel.value(made.target.rows(rows.start, rows.stop)))
            else:
                cond = made.cond[samples].repeat_interleave(num_taus, dim=0)
                parts.append(consistency_function(self.target, made.xh[rows], made.s0[rows], cond))
        self._y = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1 if made.target is not None else 0)
        self._targets = key
        return self._y

    def _block_rows(self) -> int:
        """Rows of a pass without gradient, of one noise level a sample."""
        return max(self.params.micro_batch, FROZEN_VALUES // self.train.residual[0].numel())

    def _blocks(self, start: int, stop: int, num_taus: int) -> list[slice]:
        """Cuts samples start..stop for passes without gradient."""
        size = max(self.params.micro_batch, self._block_rows() // num_taus)
        return [slice(i, min(i + size, stop)) for i in range(start, stop, size)]


def _token_net(net: FieldNet) -> TokenNet:
    """The network for which there is a kernel."""
    assert isinstance(net, TokenNet)
    return net
