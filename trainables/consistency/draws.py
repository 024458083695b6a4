"""The random draws of an epoch: the order of the samples, the positions of the noise levels, the noise.

Always on the CPU, so that every device sees the same. Knows seeds and generators. Does not know batches,
devices or networks.

Shape legend: M samples of an epoch, J noise levels per sample, N grid points.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def epoch_order(num_samples: int, length: int, *, seed: int, epoch: int) -> Tensor:
    """Concatenated random permutations of the samples, cut to ``length`` indices."""
    generator = _generator(seed, epoch, stream=0)
    repeats = -(-length // num_samples)
    orders = [torch.randperm(num_samples, generator=generator) for _ in range(repeats)]
    return torch.cat(orders)[:length]


class EpochNoise:
    """One stream of random numbers for an epoch of a seed: first all positions, then noise in order.

    The noise may be taken in pieces of any length: the stream is the same however it is cut, so it does not
    depend on the micro-batch, the implementation or the memory of the machine. (This rests on torch's
    CPU generator, which fills normal numbers in blocks of 16, and on N being a multiple of 16.)
    """

    def __init__(self, *, seed: int, epoch: int) -> None:
        self._generator = _generator(seed, epoch, stream=1)

    def positions(self, num_samples: int, num_taus: int) -> Tensor:
        """Draws V ~ U[0, 1), (M, J); call it once, before any noise is drawn."""
        return torch.rand(num_samples, num_taus, generator=self._generator)

    def fields(self, num_samples: int, num_taus: int, num_points: int) -> Tensor:
        """Draws Z ~ N(0, 1) for the next ``num_samples`` samples, (num_samples, J, N)."""
        assert num_points % 16 == 0, "the stream would depend on how it is cut"
        return torch.randn(num_samples, num_taus, num_points, generator=self._generator)


def _generator(seed: int, epoch: int, *, stream: int) -> torch.Generator:
    """Returns the generator for one purpose in one epoch of one seed."""
    state = np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)
