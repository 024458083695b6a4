"""Computes what one row (a sample at one noise level) costs: bytes kept and moved, FLOPs and launches.

Counted, not timed: the loss itself runs on tensors without memory. Blocks are all alike, so the loss runs
with a few of them, and the others cost as much. Does not know cards, allocators or batches.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from trainables.consistency.feeding import batches_per_part
from trainables.consistency.loss import Rows, consistency_loss
from trainables.consistency.networks import FieldNet, consistency_function
from trainables.consistency.options import WINDOWS_PER_TRAJECTORY, StageOptions
from trainables.consistency.teacher import new_network

FLOAT_BYTES = 4

COUNTED_DEPTHS = (6, 8)
"""Numbers of blocks that are counted: beyond `REFERENCE_DEPTH`, every block more costs the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCost:
    """The cost of one row, in float32.

    Attributes:
        saved_bytes: Activations that wait for the backward pass; a peak holds them for every row.
        flops: FLOPs to train on a row: student forward and backward, teacher and target
            network forward.
        moved_bytes: Bytes that these operations read and write when none are fused: the traffic between
            a device and its memory, if nothing stays in a cache.
        num_launches: The number of these operations that compute something, for any number of rows at once.
    """

    saved_bytes: int
    flops: int
    moved_bytes: int
    num_launches: int


def row_cost(options: StageOptions) -> RowCost:
    """Returns the cost of a row under these options, at any size, on a machine of any size."""
    few, more = COUNTED_DEPTHS
    if options.teacher_depth <= more:
        return counted_cost(options)
    least, most = (counted_cost(replace(options, teacher_depth=depth)) for depth in COUNTED_DEPTHS)

    def at_depth(name: str) -> int:
        base = getattr(least, name)
        steps, rest = divmod((options.teacher_depth - few) * (getattr(most, name) - base), more - few)
        assert not rest, f"{name} of a block is not whole"
        return int(base + steps)

    return RowCost(**{field.name: at_depth(field.name) for field in fields(RowCost)})


def counted_cost(options: StageOptions) -> RowCost:
    """Returns the cost of a row, for which every block is run; `row_cost` is the same and takes less time."""
    with torch.device("meta"):
        net = new_network(options)
    one, two = (saved_bytes(net, options.num_points, rows) for rows in (1, 2))
    (flops_1, seen_1), (flops_2, seen_2) = (_training_work(options, rows) for rows in (1, 2))
    return RowCost(
        saved_bytes=two - one,
        flops=flops_2 - flops_1,
        moved_bytes=seen_2.moved_bytes - seen_1.moved_bytes,
        num_launches=seen_2.num_launches,
    )


def saved_bytes(net: FieldNet, num_points: int, rows: int) -> int:
    """Returns the bytes of the distinct tensors, except weights, that ``rows`` rows keep for backward."""
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
    """Returns the bytes on the device whatever the micro-batch: data, held-out pairs and a part's rows.

    Per training pair r, u, u_hat and u_next; the held-out pairs with their noise; per row of a part the noise
    z, x1 and xh, and once more z of the next part; per sample of both r, u and u_hat.
    """
    samples = batch_size * batches_per_part(batch_size, num_taus, options.num_points)
    held_out = 5 * WINDOWS_PER_TRAJECTORY * options.num_eval_trajectories
    part = min(samples, options.num_samples) * (4 * num_taus + 6)
    return FLOAT_BYTES * options.num_points * (4 * options.num_samples + held_out + part)


class _Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations that compute something, and the bytes of what they read and write."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.num_launches = self.moved_bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        read, written = _tensors((args, kwargs)), _tensors(result)
        storages = {tensor.untyped_storage()._cdata for tensor in read}
        is_view = not func._schema.is_mutable and all(t.untyped_storage()._cdata in storages for t in written)
        if not is_view:
            self.num_launches += 1
            self.moved_bytes += sum(tensor.numel() * tensor.element_size() for tensor in read + written)
        return result


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _training_work(options: StageOptions, num_rows: int) -> tuple[int, _Launches]:
    """Counts FLOPs and launches of the loss of so many rows and its gradient."""
    points = options.num_points
    with torch.device("meta"):
        student, target, teacher = (new_network(options) for _ in range(3))
        fields, levels = torch.ones(num_rows, points), torch.ones(num_rows)
        cond = torch.ones(num_rows, points, 2)
    rows = Rows(residual=fields, cond=cond, z=fields, s1=levels, s0=levels)
    with FlopCounterMode(display=False) as counter, _Launches() as launches:
        consistency_loss(student, target, teacher, rows).backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops()), launches


def _inputs(net: FieldNet, num_points: int, rows: int) -> tuple[Any, ...]:
    """Makes fields x (R, N), sigma (R,) and conditions (R, N, 2) on the network's device."""
    device = next(net.parameters()).device
    return (
        torch.ones(rows, num_points, device=device),
        torch.ones(rows, device=device),
        torch.ones(rows, num_points, 2, device=device),
    )
