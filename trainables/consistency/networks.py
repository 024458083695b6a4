"""TokenNet, the small 1-D network of every part, and its two preconditionings.

Knows shapes and weights. Does not know what is trained on what, nor any schedule.

Shape legend: R rows, N grid points, C input channels, P = 4 points per token, T = N / P tokens,
W width, L depth.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.consistency.schedules import SIGMA_MIN

POINTS_PER_TOKEN = 4
DILATIONS = (1, 2, 4)
NUM_FREQUENCIES = 16


class SigmaEmbedding(nn.Module):
    """Sines and cosines of 0.25 ln sigma, and a small MLP that gives one bias per block."""

    frequencies: Tensor

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.linspace(1.0, 30.0, NUM_FREQUENCIES))
        self.mlp = nn.Sequential(
            nn.Linear(2 * NUM_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, depth * width)
        )
        self.depth = depth

    def forward(self, sigma_r: Tensor) -> tuple[Tensor, ...]:
        """Maps noise levels (R,) to one bias (R, 1, W) for each of the L blocks."""
        angle = (0.25 * sigma_r.log())[:, None] * self.frequencies  # (R, 16)
        features = torch.cat([angle.sin(), angle.cos()], dim=-1)  # (R, 32)
        out: Tensor = self.mlp(features)  # (R, L * W)
        return out[:, None].chunk(self.depth, dim=-1)


class TokenNet(nn.Module):
    """Patches -> L residual blocks, each seeing two dilated neighbours -> patches.

    A block is h + SiLU(Linear([h(t - d), h(t), h(t + d)]) + bias(sigma)); tokens wrap round, so the
    network is equivariant to shifts by a whole token on the periodic domain. The last layer starts
    at zero.

    Args:
        channels: C, input channels.
        width: W.
        depth: L.
        with_sigma: Whether the network is told a noise level.
    """

    def __init__(self, *, channels: int, width: int, depth: int, with_sigma: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(channels * POINTS_PER_TOKEN, width)
        self.blocks = nn.ModuleList(nn.Linear(3 * width, width) for _ in range(depth))
        self.sigma = SigmaEmbedding(width, depth) if with_sigma else None
        self.head = nn.Linear(width, POINTS_PER_TOKEN)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x_rnc: Tensor, sigma_r: Tensor | None = None) -> Tensor:
        """Maps (R, N, C), and noise levels (R,) where the network has them, to (R, N)."""
        rows, points, channels = x_rnc.shape
        tokens = x_rnc.reshape(rows, points // POINTS_PER_TOKEN, POINTS_PER_TOKEN * channels)
        h = self.embed(tokens)  # (R, T, W)
        biases = self.sigma(sigma_r) if self.sigma is not None else (0.0,) * len(self.blocks)
        for i, (block, bias) in enumerate(zip(self.blocks, biases, strict=True)):
            near = gather_neighbours(h, DILATIONS[i % len(DILATIONS)])  # (R, T, 3 W)
            h = h + nn.functional.silu(block(near) + bias)
        out: Tensor = self.head(h)  # (R, T, P)
        return out.reshape(rows, points)


def gather_neighbours(h_rtw: Tensor, dilation: int) -> Tensor:
    """Concatenates tokens t - d, t and t + d (mod T): (R, T, W) -> (R, T, 3 W)."""
    before, after = h_rtw.roll(dilation, 1), h_rtw.roll(-dilation, 1)
    return torch.cat([before, h_rtw, after], dim=-1)


def teacher_denoise(net: TokenNet, x_rn: Tensor, sigma_r: Tensor, cond_rn2: Tensor) -> Tensor:
    """D(x, sigma; u, u_hat), the denoised residual (Karras et al., 2022, eq. 7, sigma_data = 1).

    Args:
        net: The teacher network F.
        x_rn: Noisy residuals (R, N).
        sigma_r: Noise levels (R,).
        cond_rn2: u and u_hat (R, N, 2).

    Returns:
        Denoised residuals (R, N).
    """
    sigma = sigma_r[:, None]
    scale: Tensor = (sigma * sigma + 1.0).rsqrt()  # c_in; c_skip = c_in^2, c_out = sigma c_in
    raw = net(_inputs(x_rn * scale, cond_rn2), sigma_r)
    denoised: Tensor = scale * scale * x_rn + sigma * scale * raw
    return denoised


def consistency_function(net: TokenNet, x_rn: Tensor, sigma_r: Tensor, cond_rn2: Tensor) -> Tensor:
    """f(x, sigma; u, u_hat) with f(x, sigma_min) = x exactly (Song et al., 2023, eq. 5 and App. C).

    c_skip = 1 / (q + 1), c_out = sqrt(q / (q + 1)), q = (sigma - sigma_min)^2,
    c_in = 1 / sqrt(sigma^2 + 1).

    Shapes as in ``teacher_denoise``.
    """
    sigma = sigma_r[:, None]
    q = (sigma - SIGMA_MIN).square()
    raw = net(_inputs(x_rn * (sigma * sigma + 1.0).rsqrt(), cond_rn2), sigma_r)
    f: Tensor = x_rn / (q + 1.0) + (q / (q + 1.0)).sqrt() * raw
    return f


def _inputs(x_rn: Tensor, cond_rn2: Tensor) -> Tensor:
    """Stacks the noisy residual and the conditions to (R, N, 3)."""
    return torch.cat([x_rn[..., None], cond_rn2], dim=-1)
