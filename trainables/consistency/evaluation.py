"""Evaluates a student: NRMSE of its one-step predictions on a split.

Knows the metric and its fixed noise. Does not know training, nor which split may be looked at when
(that is the stage's affair; ``final`` is for final reports only).

Shape legend: S pairs, N points of a field.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.consistency.networks import FieldNet, consistency_function, fields_per_pass
from trainables.consistency.schedules import SIGMA_MAX
from trainables.consistency.teacher import Split


def evaluation_noise(num_pairs: int, num_points: int, data_seed: int) -> Tensor:
    """Returns the noise z of evaluation, (S, N); it is fixed so that trials and epochs are comparable."""
    generator = torch.Generator().manual_seed(data_seed + 1_000_003)
    return torch.randn(num_pairs, num_points, generator=generator)


@torch.no_grad()
def one_step_nrmse(net: FieldNet, split: Split, z: Tensor, residual_std: float) -> float:
    """Returns the mean NRMSE of u_hat + s_r f(s_max z, s_max), one network evaluation per pair.

    Args:
        net: The student's averaged network.
        split: The S pairs to evaluate on.
        z: Standard normal noise (S, N) on the split's device.
        residual_std: s_r.

    Returns:
        Mean over pairs of rms_x(prediction - truth) / rms_x(truth); NaN if the network is broken.
    """
    parts = []
    chunk = fields_per_pass(z.shape[1])
    for start in range(0, z.shape[0], chunk):
        rows = slice(start, start + chunk)
        cond = split.cond[rows]  # (chunk, N, 2)
        sigma = torch.full((cond.shape[0],), SIGMA_MAX, device=cond.device)
        residual = consistency_function(net, SIGMA_MAX * z[rows], sigma, cond)  # (chunk, N)
        parts.append(nrmse(cond[..., 1] + residual_std * residual, split.u_next[rows]))
    return float(torch.cat(parts).mean())


def nrmse(prediction: Tensor, truth: Tensor) -> Tensor:
    """Returns rms_x(prediction - truth) / rms_x(truth) per pair: (S, N), (S, N) -> (S,)."""
    error = (prediction - truth).square().mean(dim=-1).sqrt()
    return error / truth.square().mean(dim=-1).sqrt()
