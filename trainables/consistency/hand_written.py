"""The fast implementation for TokenNet on a CPU in fp32, with its gradient written out by hand.

Knows when that is possible, and how rows become the kernel's inputs. Does not know its arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from trainables.consistency.fast import Fast, Tricks
from trainables.consistency.implementation import Part
from trainables.consistency.networks import FieldNet, TokenNet
from trainables.consistency.params import DistillParams
from trainables.consistency.tokennet_gradient import Inputs, Kernel, denoiser_inputs, inputs_of


def new_fast(teacher: FieldNet, params: DistillParams, tricks: Tricks) -> Fast:
    """Returns the fastest implementation that these networks, parameters and this device allow."""
    by_hand = (
        tricks.by_hand
        and tricks.flat
        and tricks.ahead
        and isinstance(teacher, TokenNet)
        and next(teacher.parameters()).device.type == "cpu"
        and params.precision != "bf16"
        and not params.compile
    )
    return HandWritten(teacher, params, tricks) if by_hand else Fast(teacher, params, tricks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """Inputs of a part's rows; none of them depends on a weight that is trained."""

    student: Inputs
    target: Inputs


class HandWritten(Fast):
    """Works as ``Fast`` does, with ``Kernel`` in place of autograd.

    Args:
        teacher: D, a TokenNet on the CPU; frozen from now on.
        params: The parameters to tune.
        tricks: Must have ``flat`` and ``ahead``.
    """

    row_dim: ClassVar[int] = 1  # tokens come first

    def __init__(self, teacher: FieldNet, params: DistillParams, tricks: Tricks) -> None:
        super().__init__(teacher, params, tricks)
        self._student_kernel = Kernel(_token_net(self.student))
        self._target_kernel = Kernel(_token_net(self.target))
        self._teacher_kernel = Kernel(_token_net(self.teacher))

    @torch.no_grad()
    def prepare(self, part: Part) -> _Prepared:
        """Prepares a part as ``Fast`` does; the teacher's inputs differ only in skip and scale."""
        self._known = None
        noisy = self._noisy(part)
        x1, s1, s0 = noisy.x1, noisy.s1, noisy.s0
        cond_rows = part.rows["cond"].repeat_interleave(part.s1.shape[1], dim=0)
        student = inputs_of(_token_net(self.student), x1, s1, cond_rows)
        denoised = self._teacher_kernel.values(denoiser_inputs(student, x1, s1), self.block_rows(part))
        xh = denoised + (s0 / s1)[:, None] * (x1 - denoised)
        return _Prepared(student=student, target=inputs_of(_token_net(self.target), xh, s0, cond_rows))

    def add_gradient(self, part: Part, chunk: slice, share: float) -> Tensor:
        """Adds a chunk's gradient in one launch; a batch's first chunk computes its targets."""
        num_taus = part.s1.shape[1]
        inputs = part.prepared.student.rows(chunk.start * num_taus, chunk.stop * num_taus)
        return self._student_kernel.add_gradient(inputs, self._targets(part, chunk), share)

    def _targets_of(self, part: Part, samples: slice) -> Tensor:
        """Computes the target network's values for some samples, tokens first: (T, rows, P)."""
        num_taus = part.s1.shape[1]
        rows = part.prepared.target.rows(samples.start * num_taus, samples.stop * num_taus)
        return self._target_kernel.value(rows)


def _token_net(net: FieldNet) -> TokenNet:
    """Returns the network for which there is a kernel."""
    assert isinstance(net, TokenNet)
    return net
