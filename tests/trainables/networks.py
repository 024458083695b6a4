"""Networks as tests compare them."""

import torch
from torch import Tensor, nn


def weights(net: nn.Module) -> Tensor:
    """All parameters of a network in one vector."""
    return torch.cat([p.detach().flatten() for p in net.parameters()])
