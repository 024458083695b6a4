"""The networks of every part, 1-D (TokenNet) and 2-D (GridNet), and their two preconditionings.

Knows shapes and weights. Does not know what is trained on what, nor any schedule.

Shape legend: R rows, N points of a field, C input channels, P = 4 points per token, T = N / P tokens,
W width, L depth, G = sqrt(N) points along each axis of a 2-D field.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from trainables.consistency.schedules import SIGMA_MIN

POINTS_PER_TOKEN = 4
DILATIONS = (1, 2, 4)
NUM_FREQUENCIES = 16
GRID_DILATIONS = (1, 2, 4, 8)
REFERENCE_FAN_IN = 96
REFERENCE_DEPTH = 4
"""Fan-in and depth of the TokenNet for which the learning rates of this stage were found."""


# Fields, and points, of one pass without gradient: it must not need more memory than training does.
_MAX_FIELDS = 256
_MAX_POINTS = 2**19


def fields_per_pass(num_points: int) -> int:
    """Returns how many fields of ``num_points`` points are evaluated at once."""
    return max(1, min(_MAX_FIELDS, _MAX_POINTS // num_points))


class SigmaEmbedding(nn.Module):
    """Embeds 0.25 ln sigma by sines and cosines and a small MLP, which gives one bias per block."""

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


class FieldNet(nn.Module, ABC):
    """A network from fields to a field; whatever the grid, a field is N values in a row."""

    @abstractmethod
    def forward(self, x_rnc: Tensor, sigma_r: Tensor | None = None) -> Tensor:
        """Maps (R, N, C), and noise levels (R,) where the network has them, to (R, N)."""


class TokenNet(FieldNet):
    """A network of patches -> L residual blocks, each seeing two dilated neighbours -> patches.

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


class ScaledLinear(nn.Module):
    """A linear layer whose stored weights are ``1 / scale`` times the ones used.

    Under Adam its learning rate is thus ``scale`` times the optimizer's (equalised learning rate,
    Karras et al., 2018, section 4.1). With scale ~ 1 / fan-in a rate holds across widths (Yang et al., 2022,
    Tensor Programs V, table 8).

    Args:
        inputs: Input features.
        outputs: Output features.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.scale = min(1.0, REFERENCE_FAN_IN / inputs)
        bound = inputs**-0.5  # nn.Linear's own
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound) / self.scale)
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))

    def forward(self, h: Tensor) -> Tensor:
        """Maps (..., inputs) to (..., outputs); the scale is part of the product."""
        product = torch.addmm(self.bias, h.flatten(0, -2), self.weight.t(), alpha=self.scale)
        return product.view(*h.shape[:-1], -1)


class GridNet(FieldNet):
    """TokenNet on a grid: points are tokens, and a block sees four dilated neighbours.

    A block is h + sqrt(4 / L) SiLU(Linear([h, its four neighbours d away along an axis]) + bias(sigma)),
    the factor at most 1; it keeps six activations of W values per point. First and last layer see the
    nearest neighbours; the last starts at zero. Periodic, so the network is equivariant to every shift.
    What it costs is memory traffic and launches, not arithmetic (docs/stage.md).

    Args:
        channels: C, input channels.
        width: W.
        depth: L.
        with_sigma: Whether the network is told a noise level.
    """

    def __init__(self, *, channels: int, width: int, depth: int, with_sigma: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(5 * channels, width)
        self.blocks = nn.ModuleList(ScaledLinear(5 * width, width) for _ in range(depth))
        self.sigma = SigmaEmbedding(width, depth) if with_sigma else None
        self.head = nn.Linear(5 * width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.branch = min(1.0, math.sqrt(REFERENCE_DEPTH / depth))

    def forward(self, x_rnc: Tensor, sigma_r: Tensor | None = None) -> Tensor:
        """Maps (R, N, C), N = G^2, and noise levels (R,) where the network has them, to (R, N)."""
        rows, points, channels = x_rnc.shape
        side = math.isqrt(points)
        h = self.embed(gather_cross(x_rnc.reshape(rows, side, side, channels), 1))  # (R, G, G, W)
        biases = self.sigma(sigma_r) if self.sigma is not None else None
        for i, block in enumerate(self.blocks):
            pre = block(gather_cross(h, GRID_DILATIONS[i % len(GRID_DILATIONS)]))  # (R, G, G, W)
            if biases is not None:
                pre = pre + biases[i][:, None]
            h = torch.add(h, nn.functional.silu(pre), alpha=self.branch)
        out: Tensor = self.head(gather_cross(h, 1))  # (R, G, G, 1)
        return out.reshape(rows, points)


def gather_neighbours(h_rtw: Tensor, dilation: int) -> Tensor:
    """Concatenates tokens t - d, t and t + d (mod T): (R, T, W) -> (R, T, 3 W)."""
    before, after = h_rtw.roll(dilation, 1), h_rtw.roll(-dilation, 1)
    return torch.cat([before, h_rtw, after], dim=-1)


def gather_cross(h_rggw: Tensor, distance: int) -> Tensor:
    """Concatenates a point and its four neighbours at a distance along the axes: to (R, G, G, 5 W)."""
    rolled = [h_rggw.roll(shift, axis) for axis in (1, 2) for shift in (distance, -distance)]
    return torch.cat([h_rggw, *rolled], dim=-1)


def teacher_denoise(net: FieldNet, x_rn: Tensor, sigma_r: Tensor, cond_rn2: Tensor) -> Tensor:
    """Returns D(x, sigma; u, u_hat), the denoised residual (Karras et al., 2022, eq. 7, sigma_data = 1).

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


def consistency_function(net: FieldNet, x_rn: Tensor, sigma_r: Tensor, cond_rn2: Tensor) -> Tensor:
    """Returns f(x, sigma; u, u_hat), with f(x, sigma_min) = x exactly (Song et al., 2023, eq. 5, App. C).

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
