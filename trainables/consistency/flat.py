"""Networks whose parameters are views of one tensor: one kernel for an average or an optimizer step.

Knows memory layout alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def flatten(net: nn.Module, memory: Tensor | None = None) -> Tensor:
    """Moves all parameters into one tensor (into ``memory`` if given), in their order; returns it."""
    parameters = list(net.parameters())
    if memory is None:
        memory = parameters[0].new_empty(num_values(net))
    for parameter, view in zip(parameters, views(memory, net), strict=True):
        view.copy_(parameter.detach())
        parameter.data = view
    return memory


def flat_gradient(net: nn.Module) -> Tensor:
    """Gives every parameter a zero gradient that is a view of one tensor; returns it."""
    gradient = torch.zeros_like(next(net.parameters())).new_zeros(num_values(net))
    for parameter, view in zip(net.parameters(), views(gradient, net), strict=True):
        parameter.grad = view
    return gradient


def views(memory: Tensor, net: nn.Module) -> list[Tensor]:
    """Returns the parts of ``memory`` that belong to the parameters of ``net``, in their shapes."""
    parameters = list(net.parameters())
    parts = torch.split(memory, [p.numel() for p in parameters])
    return [part.view(p.shape) for part, p in zip(parts, parameters, strict=True)]


def num_values(net: nn.Module) -> int:
    """Returns how many numbers the parameters hold."""
    return sum(p.numel() for p in net.parameters())
