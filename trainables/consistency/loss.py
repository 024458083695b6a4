"""The consistency-distillation loss of one chunk of rows.

Knows the loss and nothing of batches, optimizers or devices. The loss IS the problem: distilling
the teacher's output or the data directly would reach a lower NRMSE here, so it is no option.

Shape legend: R rows (samples x noise levels), N grid points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.consistency.networks import FieldNet, consistency_function, teacher_denoise

HUBER_C = 0.03
"""The constant c of the pseudo-Huber loss, per sqrt(N)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of one launch.

    Attributes:
        residual: Clean residuals r (R, N).
        cond: u and u_hat (R, N, 2).
        z: Standard normal noise (R, N).
        s1: Student's noise levels (R,).
        s0: Levels one schedule step below (R,).
    """

    residual: Tensor
    cond: Tensor
    z: Tensor
    s1: Tensor
    s0: Tensor


def consistency_loss(student: FieldNet, target: FieldNet, teacher: FieldNet, rows: Rows) -> Tensor:
    """Returns the sum over rows of d(f(x1, s1), f_target(xh, s0)) (Song et al., 2023, algorithm 2).

    x1 = r + s1 z; xh is one Euler step of the probability-flow ODE from s1 to s0 with the teacher's
    score (eq. 6); no gradient flows through teacher or target network.

    Args:
        student: f, trained.
        target: f with averaged weights.
        teacher: D.
        rows: The rows to evaluate.

    Returns:
        Scalar.
    """
    with torch.no_grad():
        x1 = rows.residual + rows.s1[:, None] * rows.z  # (R, N)
        xh = euler_step(teacher, x1, rows.s1, rows.s0, rows.cond)
        y = consistency_function(target, xh, rows.s0, rows.cond)
    return loss_to_target(student, x1, rows.s1, rows.cond, y)


def euler_step(teacher: FieldNet, x1: Tensor, s1: Tensor, s0: Tensor, cond: Tensor) -> Tensor:
    """Steps from x1 (R, N) at s1 (R,) down to s0 along the teacher's ODE (eq. 6); returns xh (R, N)."""
    denoised = teacher_denoise(teacher, x1, s1, cond)
    return denoised + (s0 / s1)[:, None] * (x1 - denoised)


def loss_to_target(student: FieldNet, x1: Tensor, s1: Tensor, cond: Tensor, y: Tensor) -> Tensor:
    """Returns the sum over rows of d(f(x1, s1), y) for given targets y (R, N)."""
    return pseudo_huber(consistency_function(student, x1, s1, cond), y).sum()


def pseudo_huber(prediction: Tensor, target: Tensor) -> Tensor:
    """Returns sqrt(|a - b|^2 + c^2 N) - c sqrt(N) per row (Song & Dhariwal, 2023, eq. 8).

    Args:
        prediction: (R, N).
        target: (R, N).

    Returns:
        (R,), near |a - b|^2 / (2 c sqrt(N)) for small differences, |a - b| for large ones.
    """
    c = HUBER_C * math.sqrt(prediction.shape[-1])
    return ((prediction - target).square().sum(dim=-1) + c * c).sqrt() - c
