"""The fast implementation: all noise levels of a chunk in one launch, nothing computed twice, no waiting.

Knows tensors, kernels and static memory. Does not know seeds, data order or schedules: the engine does.

Shape legend: m samples of a part, J noise levels per sample, N grid points, R = micro_batch x J.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.consistency import flat, schedules
from trainables.consistency.graphs import Replayed, capture_for, load_in_place
from trainables.consistency.implementation import Implementation, Part
from trainables.consistency.loss import euler_step, loss_to_target
from trainables.consistency.networks import FieldNet, consistency_function
from trainables.consistency.params import DistillParams

FROZEN_VALUES = 2**14
"""Grid values in a pass without gradient; such a pass keeps no activations, so it may have more rows
than a micro-batch (never fewer)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tricks:
    """Optimisations of ``Fast`` beyond vectorising; the benchmark switches them on one by one.

    Attributes:
        flat: Weights, gradients and averages are one tensor each: few kernels per optimizer step.
        ahead: Teacher for a whole part, target network for a whole batch, in large passes.
        by_hand: TokenNet's gradient written out (CPU, fp32, not compiled; needs the other two).
        graphs: Chunks and steps are CUDA graphs (CUDA, not compiled; needs the first two).
    """

    flat: bool = True
    ahead: bool = True
    by_hand: bool = True
    graphs: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """Rows of a part in training order: x1 and, where made ahead, xh (m J, N); levels (m J,)."""

    x1: Tensor
    xh: Tensor | None
    s1: Tensor
    s0: Tensor


class Fast(Implementation):
    """Computes the same losses as ``Naive`` up to rounding, by autograd, on any device.

    Args:
        teacher: D, on the device; frozen from now on.
        params: The parameters to tune.
        tricks: All of them, except in benchmarks.
    """

    reads: ClassVar[tuple[str, ...]] = ("cond", "residual")
    row_dim: ClassVar[int] = 0
    """The dimension of a batch's targets that counts rows."""

    def __init__(self, teacher: FieldNet, params: DistillParams, tricks: Tricks) -> None:
        super().__init__(teacher, params)
        self._tricks = tricks
        self._loss_to_target = loss_to_target
        if params.compile:
            self._loss_to_target = torch.compile(loss_to_target, dynamic=False)
        device = next(teacher.parameters()).device
        captured = tricks.graphs and tricks.flat and tricks.ahead and not params.compile
        capture = capture_for(device) if captured else None
        self._chunk_gradient = Replayed(self._add_chunk_gradient, capture)
        self._target_values = Replayed(self._values_of_target, capture)
        self._apply = Replayed(self._apply_gradient, capture)
        self._lr = torch.zeros((), device=device) if capture is not None else None
        self.optimizer = torch.optim.Adam(
            self._trained(),
            lr=0.0 if self._lr is None else self._lr,
            betas=schedules.ADAM_BETAS,
            fused=True,
            capturable=capture is not None,
        )
        self._known: tuple[Part, int, int] | None = None  # a part, a batch in it, version of the target
        self._y = torch.empty(0)  # that batch's targets
        self._version = 0

    def _trained(self) -> list[Tensor]:
        """The tensors that the optimizer updates: all weights, as one tensor if ``flat``."""
        if not self._tricks.flat:
            return list(self.student.parameters())
        self._weights = flat.flatten(self.student)
        self._gradient = flat.flat_gradient(self.student)
        self._gradient_views = flat.views(self._gradient, self.student)
        self._averages = torch.stack([self._weights, self._weights])  # target, evaluated: (2, P)
        flat.flatten(self.target, self._averages[0])
        flat.flatten(self.evaluated, self._averages[1])
        self._forget = self._weights.new_empty(2, 1)
        self._weights.grad = self._gradient
        return [self._weights]

    @torch.no_grad()
    def prepare(self, part: Part) -> Any:
        """Computes the teacher's Euler steps for a whole part."""
        self._known = None  # lets the last part go
        made = self._noisy(part)
        if not self._tricks.ahead:
            return made
        num_taus, cond = part.s1.shape[1], part.rows["cond"]
        xh = torch.empty_like(made.x1)
        for samples in self._blocks(0, cond.shape[0], part):
            rows = slice(samples.start * num_taus, samples.stop * num_taus)
            cond_rows = per_row(cond[samples], num_taus)
            xh[rows] = euler_step(self.teacher, made.x1[rows], made.s1[rows], made.s0[rows], cond_rows)
        return _Prepared(x1=made.x1, xh=xh, s1=made.s1, s0=made.s0)

    def _noisy(self, part: Part) -> _Prepared:
        """Returns the noisy residuals x1 = r + s1 z of a part's rows."""
        x1 = part.rows["residual"][:, None] + part.s1[..., None] * part.z
        return _Prepared(x1=x1.flatten(0, 1), xh=None, s1=part.s1.flatten(), s0=part.s0.flatten())

    def add_gradient(self, part: Part, chunk: slice, share: float) -> Tensor:
        """Adds a chunk's gradient in one launch; if ``ahead``, a batch's first chunk computes its targets."""
        made: _Prepared = part.prepared
        cond, num_taus = part.rows["cond"][chunk], part.s1.shape[1]
        rows = slice(chunk.start * num_taus, chunk.stop * num_taus)
        if made.xh is not None:
            y = self._targets(part, chunk)
        else:
            with torch.no_grad():
                cond_rows = per_row(cond, num_taus)
                xh = euler_step(self.teacher, made.x1[rows], made.s1[rows], made.s0[rows], cond_rows)
                y = consistency_function(self.target, xh, made.s0[rows], cond_rows)
        return self._chunk_gradient(made.x1[rows], made.s1[rows], cond, y, share)

    def _add_chunk_gradient(self, x1: Tensor, s1: Tensor, cond: Tensor, y: Tensor, share: float) -> Tensor:
        """Adds a chunk's gradient, returns its loss: x1, y (R, N), s1 (R,), cond (micro_batch, N, 2)."""
        cond_rows = per_row(cond, x1.shape[0] // cond.shape[0])
        loss = share * self._loss_to_target(self.student, x1, s1, cond_rows, y)
        if self._tricks.flat:
            # Not loss.backward(): what it keeps between calls belongs to the stream it was first called on.
            parameters = list(self.student.parameters())
            found = torch.autograd.grad(loss, parameters)
            torch._foreach_add_(self._gradient_views, list(found))
        else:
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def step(self, lr: float, target_decay: float, evaluation_decay: float) -> None:
        """Applies the gradient with one kernel for the optimizer and one for both averages."""
        self._version += 1
        if self._lr is None:
            for group in self.optimizer.param_groups:
                group["lr"] = lr
        else:
            self._lr.fill_(lr)
        if self._tricks.flat:
            self._forget[0], self._forget[1] = 1.0 - target_decay, 1.0 - evaluation_decay
            self._apply()
            return
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        student: list[Tensor] = list(self.student.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(list(self.target.parameters()), student, 1.0 - target_decay)
            torch._foreach_lerp_(list(self.evaluated.parameters()), student, 1.0 - evaluation_decay)

    @torch.no_grad()
    def _apply_gradient(self) -> Tensor:
        """Moves weights by the gradient, averages by ``_forget``, and clears the gradient."""
        self.optimizer.step()
        self._gradient.zero_()
        self._averages.lerp_(self._weights.expand_as(self._averages), self._forget)
        return self._forget

    def gradients(self) -> list[Tensor | None]:
        """Returns copies of the gradients: autograd's, or the parts of the flat gradient."""
        return [None if p.grad is None else p.grad.clone() for p in self.student.parameters()]

    def set_gradients(self, gradients: list[Tensor | None]) -> None:
        """Copies the gradients into place: the flat gradient stays where it is."""
        for p, g in zip(self.student.parameters(), gradients, strict=True):
            if p.grad is not None and g is not None:
                p.grad.copy_(g)
            else:
                p.grad = None if g is None else g.to(p.device)
        self._known = None
        self._version += 1

    def load_optimizer(self, state: dict[str, Any]) -> None:
        """Loads the state in place: a captured step goes on using the memory that it was captured with."""
        load_in_place(self.optimizer, state)

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Captures what the body runs, and an optimizer step that moves nothing."""
        functions = (self._chunk_gradient, self._target_values, self._apply)
        for function in functions:
            function.recording = True
        try:
            yield
            if self._lr is not None and not self.optimizer.state:
                self._gradient.zero_()
                self.step(0.0, 1.0, 1.0)
                for state in self.optimizer.state.values():
                    state["step"].zero_()
        finally:
            for function in functions:
                function.recording = False

    @torch.no_grad()
    def _targets(self, part: Part, chunk: slice) -> Tensor:
        """Returns a chunk's targets; a whole batch's targets are computed once per batch and weights."""
        size, num_taus = self.params.batch_size, part.s1.shape[1]
        first = chunk.start // size * size
        if self._known is None or self._known[0] is not part or self._known[1:] != (first, self._version):
            blocks = self._blocks(first, min(first + size, len(part.s1)), part)
            found = [self._targets_of(part, samples) for samples in blocks]
            self._y = found[0] if len(found) == 1 else torch.cat(found, dim=self.row_dim)
            self._known = (part, first, self._version)
        length = (chunk.stop - chunk.start) * num_taus
        return self._y.narrow(self.row_dim, (chunk.start - first) * num_taus, length)

    def _targets_of(self, part: Part, samples: slice) -> Tensor:
        """Computes the target network's values for some samples, (rows, N)."""
        made, num_taus = part.prepared, part.s1.shape[1]
        rows = slice(samples.start * num_taus, samples.stop * num_taus)
        return self._target_values(made.xh[rows], made.s0[rows], part.rows["cond"][samples])

    @torch.no_grad()
    def _values_of_target(self, xh: Tensor, s0: Tensor, cond: Tensor) -> Tensor:
        return consistency_function(self.target, xh, s0, per_row(cond, xh.shape[0] // cond.shape[0]))

    def block_rows(self, part: Part) -> int:
        """Returns the number of rows in a pass without gradient, with one noise level a sample."""
        return max(self.params.micro_batch, FROZEN_VALUES // part.z[0, 0].numel())

    def _blocks(self, start: int, stop: int, part: Part) -> list[slice]:
        """Cuts samples start..stop for passes without gradient."""
        size = max(self.params.micro_batch, self.block_rows(part) // part.s1.shape[1])
        return [slice(i, min(i + size, stop)) for i in range(start, stop, size)]


def per_row(cond: Tensor, num_taus: int) -> Tensor:
    """Repeats the samples' conditions (m, N, 2) for each noise level: (m J, N, 2)."""
    return cond.repeat_interleave(num_taus, dim=0)
