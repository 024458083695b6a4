"""What one row (a sample at one noise level) costs: bytes kept for the backward pass, and FLOPs.

Counted, not timed: the student's own graph is built on tensors without memory, so full size costs nothing.
Does not know cards, allocators or batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from trainables.consistency.feeding import batches_per_part
from trainables.consistency.networks import FieldNet, consistency_function
from trainables.consistency.options import WINDOWS_PER_TRAJECTORY, StageOptions
from trainables.consistency.teacher import new_network

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCost:
    """Of one row, in float32.

    Attributes:
        saved_bytes: Activations that wait for the backward pass; a peak holds them for every row.
        flops: Of all it takes to train on a row: student forward and backward, teacher and target
            network forward.
    """

    saved_bytes: int
    flops: int


def row_cost(options: StageOptions) -> RowCost:
    """The cost of a row of these options, at any size, on a machine of any size."""
    with torch.device("meta"):
        net = new_network(options)
    one, two = (saved_bytes(net, options.num_points, rows) for rows in (1, 2))
    return RowCost(saved_bytes=two - one, flops=_flops(net, options.num_points))


def saved_bytes(net: FieldNet, num_points: int, rows: int) -> int:
    """Bytes of the distinct tensors, weights excepted, that ``rows`` rows keep for the backward pass."""
    weights = {id(p) for p in net.parameters()}
    kept: dict[tuple[int, ...] | int, tuple[Tensor, int]] = {}

    def pack(tensor: Tensor) -> Tensor:
        if id(tensor) not in weights:
            storage = tensor.untyped_storage()
            kept[storage._cdata] = (tensor, storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        consistency_function(net, *_inputs(net, num_points, rows))
    return sum(size for _, size in kept.values())


def resident_bytes(options: StageOptions, num_taus: int, batch_size: int) -> int:
    """What is on the device whatever the micro-batch: data, held-out pairs, and the rows of a part.

    Per training pair r, u, u_hat and u_next; the held-out pairs with their noise; per row of a part the noise
    z, x1 and xh, and once more z of the next part; per sample of both r, u and u_hat.
    """
    samples = batch_size * batches_per_part(batch_size, num_taus, options.num_points)
    held_out = 5 * WINDOWS_PER_TRAJECTORY * options.num_eval_trajectories
    part = min(samples, options.num_samples) * (4 * num_taus + 6)
    return FLOAT_BYTES * options.num_points * (4 * options.num_samples + held_out + part)


def _flops(net: FieldNet, num_points: int) -> int:
    """Of one forward and backward pass, and two forward passes without gradient."""
    inputs = _inputs(net, num_points, 1)
    with FlopCounterMode(display=False) as counter:
        consistency_function(net, *inputs).sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for _ in range(2):
                consistency_function(net, *inputs)
    return int(counter.get_total_flops())


def _inputs(net: FieldNet, num_points: int, rows: int) -> tuple[Any, ...]:
    """Fields x (R, N), sigma (R,) and conditions (R, N, 2) on the network's device."""
    device = next(net.parameters()).device
    return (
        torch.ones(rows, num_points, device=device),
        torch.ones(rows, device=device),
        torch.ones(rows, num_points, 2, device=device),
    )
