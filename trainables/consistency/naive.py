"""The guide's loops as people write them; their cost is launches times noise levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from trainables.consistency import schedules
from trainables.consistency.implementation import Implementation, Part
from trainables.consistency.loss import Rows, consistency_loss
from trainables.consistency.networks import FieldNet
from trainables.consistency.params import DistillParams

Operator = Callable[[Tensor], Tensor]
"""The operator, which maps u (R, N) to u_hat (R, N)."""


class Naive(Implementation):
    """Runs one forward pass per noise level, keeps nothing, and waits for every loss.

    Operator and teacher are asked again for every chunk, every noise level is a forward pass of its
    own (their losses are summed before one backward), every loss is fetched from the device, and
    the averages go parameter by parameter.

    Args:
        teacher: D, on the device; frozen from now on.
        params: The parameters to tune.
        operator: The operator that computes u_hat.
        residual_std: s_r.
    """

    reads: ClassVar[tuple[str, ...]] = ("cond", "u_next")

    def __init__(
        self, teacher: FieldNet, params: DistillParams, operator: Operator, residual_std: float
    ) -> None:
        super().__init__(teacher, params)
        self._operator, self._residual_std = operator, residual_std
        self.optimizer = torch.optim.Adam(self.student.parameters(), lr=0.0, betas=schedules.ADAM_BETAS)

    def prepare(self, part: Part) -> None:
        """Prepares nothing."""

    def add_gradient(self, part: Part, chunk: slice, share: float) -> Tensor | float:
        """Adds a chunk's gradient with one forward pass per noise level and one backward pass."""
        return self._add_chunk_gradient(part, chunk, share).item()

    def _add_chunk_gradient(self, part: Part, chunk: slice, share: float) -> Tensor:
        """Adds a chunk's gradient and returns its loss."""
        residual, cond = self._pairs(part, chunk)
        loss = cond.new_zeros(())
        for j in range(part.s1.shape[1]):
            rows = Rows(
                residual=residual,
                cond=cond,
                z=part.z[chunk, j],
                s1=part.s1[chunk, j],
                s0=part.s0[chunk, j],
            )
            loss = loss + consistency_loss(self.student, self.target, self.teacher, rows)
        loss = share * loss
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _pairs(self, part: Part, chunk: slice) -> tuple[Tensor, Tensor]:
        """Returns residuals (m, N) and conditions (m, N, 2) of a chunk, from the operator's answer."""
        u, u_next = part.rows["cond"][chunk][..., 0], part.rows["u_next"][chunk]
        with torch.no_grad():
            u_hat = self._operator(u)
        return (u_next - u_hat) / self._residual_std, torch.stack([u, u_hat], dim=-1)

    @torch.no_grad()
    def step(self, lr: float, target_decay: float, evaluation_decay: float) -> None:
        """Applies the gradient parameter by parameter, then moves the averages."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._move_averages(target_decay, evaluation_decay)

    def _move_averages(self, target_decay: float, evaluation_decay: float) -> None:
        """Moves the averages towards the student."""
        for average, decay in ((self.target, target_decay), (self.evaluated, evaluation_decay)):
            for mean, parameter in zip(average.parameters(), self.student.parameters(), strict=True):
                mean.mul_(decay).add_(parameter, alpha=1.0 - decay)

    def gradients(self) -> list[Tensor | None]:
        """Returns the gradients as autograd keeps them."""
        return [p.grad for p in self.student.parameters()]

    def set_gradients(self, gradients: list[Tensor | None]) -> None:
        """Copies the gradients to the parameters' device."""
        for p, g in zip(self.student.parameters(), gradients, strict=True):
            p.grad = None if g is None else g.to(p.device)
