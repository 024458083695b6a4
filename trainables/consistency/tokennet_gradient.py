"""TokenNet's forward and backward pass written out by hand: the same numbers, a third of the overhead.

For small rows on a CPU autograd's bookkeeping costs more than the arithmetic. Here tokens are the
first dimension, so that a shift by d tokens is a contiguous block of memory: neighbours need no gather,
and every matrix product adds straight into the flat gradient. Knows TokenNet's layers and the
pseudo-Huber loss. Does not know batches, optimizers or schedules. Tested against autograd in float64.

Shape legend: R rows, N grid points, P = 4 points per token, T = N / P tokens, W width, L depth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from trainables.consistency.loss import HUBER_C
from trainables.consistency.networks import DILATIONS, POINTS_PER_TOKEN, SigmaEmbedding, TokenNet
from trainables.consistency.schedules import SIGMA_MIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The inputs of f(x, sigma; cond), tokens first.

    Attributes:
        tokens: c_in x, u and u_hat (T, R, 3 P).
        features: Sines and cosines of 0.25 ln sigma (R, 32).
        skip: c_skip x (T, R, P).
        out: c_out (R, 1).
    """

    tokens: Tensor
    features: Tensor
    skip: Tensor
    out: Tensor

    def rows(self, start: int, stop: int) -> Inputs:
        """Returns a range of the rows, contiguous where a matrix product wants it."""
        return Inputs(
            tokens=self.tokens[:, start:stop].contiguous(),
            features=self.features[start:stop],
            skip=self.skip[:, start:stop],
            out=self.out[start:stop],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saved:
    """Activations that the backward pass reads: per block the padded input and the pre-activation."""

    padded: list[Tensor]
    pre: list[Tensor]
    last: Tensor
    hidden: Tensor
    hidden_act: Tensor


@torch.no_grad()
def inputs_of(net: TokenNet, x_rn: Tensor, sigma_r: Tensor, cond_rn2: Tensor) -> Inputs:
    """Prepares rows for ``Kernel``; depends on no weight, so it may be done for a whole epoch."""
    sigma = sigma_r[:, None]
    q = (sigma - SIGMA_MIN).square()
    scaled = x_rn * (sigma * sigma + 1.0).rsqrt()
    fields = torch.cat([scaled[..., None], cond_rn2], dim=-1)  # (R, N, 3)
    angle = (0.25 * sigma_r.log())[:, None] * _embedding(net).frequencies
    return Inputs(
        tokens=_tokens_first(fields),
        features=torch.cat([angle.sin(), angle.cos()], dim=-1),
        skip=_tokens_first((x_rn / (q + 1.0))[..., None]),
        out=(q / (q + 1.0)).sqrt(),
    )


@torch.no_grad()
def denoiser_inputs(inputs: Inputs, x_rn: Tensor, sigma_r: Tensor) -> Inputs:
    """Returns the same rows for a teacher: D = c_in^2 x + sigma c_in F has the same c_in and features."""
    sigma = sigma_r[:, None]
    scale = (sigma * sigma + 1.0).rsqrt()
    return replace(inputs, skip=_tokens_first((scale * scale * x_rn)[..., None]), out=sigma * scale)


class Kernel:
    """Computes f of one TokenNet; adds gradients to the ``grad`` of its parameters, which must exist.

    Args:
        net: Its parameters are read, and their memory must stay where it is.
    """

    def __init__(self, net: TokenNet) -> None:
        mlp = _embedding(net).mlp
        self._embed, self._head = net.embed, net.head
        self._first, self._second = _linear(mlp[0]), _linear(mlp[2])
        self._blocks = [_linear(block) for block in net.blocks]
        width = self._width = net.embed.out_features
        # W_k: what block k makes of the tokens t - d, t and t + d; views (W, W).
        self._near = [list(torch.split(b.weight.detach(), width, dim=1)) for b in self._blocks]

    @torch.no_grad()
    def value(self, inputs: Inputs) -> Tensor:
        """Computes the values of f, (T, R, P)."""
        return self._forward(inputs)[0]

    @torch.no_grad()
    def values(self, inputs: Inputs, block: int) -> Tensor:
        """Computes the values of f for many rows, ``block`` at a time, as (R, N)."""
        rows = inputs.features.shape[0]
        parts = [
            self._forward(inputs.rows(i, min(i + block, rows)))[0].transpose(0, 1).flatten(1)
            for i in range(0, rows, block)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def add_gradient(self, inputs: Inputs, target_trp: Tensor, share: float) -> Tensor:
        """Adds the gradient of share * sum of pseudo-Huber(f, target); returns that sum, a scalar."""
        f, saved = self._forward(inputs)
        difference = f.sub_(target_trp)
        c = HUBER_C * math.sqrt(f.shape[0] * f.shape[2])
        root = difference.square().sum((0, 2)).add_(c * c).sqrt_()  # (R,)
        slope = difference.mul_((share / root)[:, None] * inputs.out)
        self._backward(inputs, saved, slope)
        return (root - c).sum().mul_(share)

    def _forward(self, inputs: Inputs) -> tuple[Tensor, _Saved]:
        num_tokens, rows, features = inputs.tokens.shape
        width = self._width
        hidden = torch.addmm(self._first.bias, inputs.features, self._first.weight.t())
        hidden_act = nn.functional.silu(hidden)
        biases = torch.addmm(self._second.bias, hidden_act, self._second.weight.t())  # (R, L W)
        h = torch.addmm(self._embed.bias, inputs.tokens.view(-1, features), self._embed.weight.t())
        h = h.view(num_tokens, rows, width)
        padded_all, pre_all = [], []
        for i, (block, near) in enumerate(zip(self._blocks, self._near, strict=True)):
            d = _dilation(i)
            padded = torch.cat([h[num_tokens - d :], h, h[:d]])  # (T + 2 d, R, W)
            pre = torch.addmm(block.bias, h.view(-1, width), near[1].t())
            pre.addmm_(padded[:num_tokens].view(-1, width), near[0].t())
            pre.addmm_(padded[2 * d :].view(-1, width), near[2].t())
            pre = pre.view(num_tokens, rows, width)
            pre += biases[:, i * width : (i + 1) * width]
            h = nn.functional.silu(pre).add_(h)
            padded_all.append(padded)
            pre_all.append(pre)
        raw = torch.addmm(self._head.bias, h.view(-1, width), self._head.weight.t())
        f = torch.addcmul(inputs.skip, raw.view(num_tokens, rows, -1), inputs.out)
        saved = _Saved(padded=padded_all, pre=pre_all, last=h, hidden=hidden, hidden_act=hidden_act)
        return f, saved

    def _backward(self, inputs: Inputs, saved: _Saved, slope_trp: Tensor) -> None:
        num_tokens, rows, features = inputs.tokens.shape
        width = self._width
        slope = slope_trp.view(-1, slope_trp.shape[-1])
        _add_to(self._head, slope, saved.last.view(-1, width))
        gh = torch.mm(slope, self._head.weight).view(num_tokens, rows, width)
        bias_slope = gh.new_empty(rows, len(self._blocks) * width)
        for i in reversed(range(len(self._blocks))):
            d, near, padded = _dilation(i), self._near[i], saved.padded[i]
            gpre = torch.ops.aten.silu_backward(gh, saved.pre[i])
            torch.sum(gpre, 0, out=bias_slope[:, i * width : (i + 1) * width])
            transposed = gpre.view(-1, width).t()
            gradient = _grad(self._blocks[i].weight)
            for k in range(3):
                part = padded[k * d : k * d + num_tokens].view(-1, width)
                gradient[:, k * width : (k + 1) * width].addmm_(transposed, part)
            flat = gh.view(-1, width).addmm_(gpre.view(-1, width), near[1])
            edge, cut = d * rows, (num_tokens - d) * rows
            gpre = gpre.view(-1, width)
            flat[:cut].addmm_(gpre[edge:], near[0])
            flat[cut:].addmm_(gpre[:edge], near[0])
            flat[edge:].addmm_(gpre[:cut], near[2])
            flat[:edge].addmm_(gpre[cut:], near[2])
        for i, part in enumerate(torch.split(bias_slope.sum(0), width)):
            _grad(self._blocks[i].bias).add_(part)
        _add_to(self._second, bias_slope, saved.hidden_act)
        hidden_slope = torch.ops.aten.silu_backward(torch.mm(bias_slope, self._second.weight), saved.hidden)
        _add_to(self._first, hidden_slope, inputs.features)
        _add_to(self._embed, gh.view(-1, width), inputs.tokens.view(-1, features))


def _add_to(layer: nn.Linear, slope: Tensor, x: Tensor) -> None:
    """Adds a linear layer's gradients, given that of its output (B, out) and its input (B, in)."""
    _grad(layer.weight).addmm_(slope.t(), x)
    _grad(layer.bias).add_(slope.sum(0))


def _tokens_first(fields_rnc: Tensor) -> Tensor:
    """Rearranges (R, N, C) to (T, R, P C), contiguous."""
    rows, points, channels = fields_rnc.shape
    patches = fields_rnc.reshape(rows, points // POINTS_PER_TOKEN, POINTS_PER_TOKEN * channels)
    return patches.transpose(0, 1).contiguous()


def _dilation(block: int) -> int:
    return DILATIONS[block % len(DILATIONS)]


def _embedding(net: TokenNet) -> SigmaEmbedding:
    assert net.sigma is not None, "student and teacher are told the noise level"
    return net.sigma


def _linear(module: nn.Module) -> nn.Linear:
    assert isinstance(module, nn.Linear)
    return module


def _grad(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None, "gradients are views of one flat tensor"
    return parameter.grad
