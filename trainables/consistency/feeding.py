"""Brings an epoch to the device part by part, so that it need never be there as a whole.

On CUDA everything is copied from pinned memory on a stream of its own: while the device works on one part,
the host draws the next and copies it. On a CPU the same code gathers, and copies nothing. Knows memory and
streams. Does not know what is drawn, nor what a part is used for.

Shape legend: S training pairs, m samples of a part, J noise levels per sample, N grid points.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from trainables.consistency.implementation import Part

PART_VALUES = 2**22
"""Most values of noise in a part (m J N), unless one batch has more. Burgers' whole epoch fits."""

RESIDENT_SHARE = 0.25
"""Share of a card's free memory; training data that need more stay on the host."""


def batches_per_part(batch_size: int, num_taus: int, num_points: int) -> int:
    """Returns how many whole batches have at most ``PART_VALUES`` values of noise; at least one."""
    return max(1, PART_VALUES // (batch_size * num_taus * num_points))


def stays_on_host(data_device: str, num_bytes: int, free_bytes: int) -> bool:
    """Decides whether training data of ``num_bytes`` stay on the host; see ``StageOptions.data_device``.

    Args:
        data_device: ``auto``, ``device`` or ``host``.
        num_bytes: Size of the training split in bytes.
        free_bytes: Free memory of the device in bytes.
    """
    if data_device == "auto":
        return num_bytes > RESIDENT_SHARE * free_bytes
    return data_device == "host"


class Feed:
    """Gathers rows of the training pairs in training order, and puts them on the device with their noise.

    Args:
        columns: The data of training pairs that the implementation reads, (S, ...) each, on the device or on
            the host.
        device: The device that gets the parts.
    """

    def __init__(self, columns: Mapping[str, Tensor], device: torch.device) -> None:
        self._columns = columns
        self._device = device
        self._stream = _new_stream(device)

    def part(self, order: Tensor, z: Tensor, s1: Tensor, s0: Tensor) -> Part:
        """Returns a part of an epoch on the device.

        Args:
            order: Indices of its samples (m,).
            z: Noise (m, J, N).
            s1: Student's noise levels (m, J).
            s0: Levels one schedule step below (m, J).
        """
        if self._stream is None:
            return self._gather(order, z, s1, s0)
        compute = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            part = self._gather(order, z, s1, s0)
        compute.wait_stream(self._stream)
        for tensor in (part.z, part.s1, part.s0, *part.rows.values()):
            tensor.record_stream(compute)  # memory of the other stream, used by this one
        return part

    def _gather(self, order: Tensor, z: Tensor, s1: Tensor, s0: Tensor) -> Part:
        rows = {name: self._rows(column, order) for name, column in self._columns.items()}
        dtype = next(iter(rows.values())).dtype
        return Part(rows=rows, z=self._put(z, dtype), s1=self._put(s1, dtype), s0=self._put(s0, dtype))

    def _rows(self, column: Tensor, order: Tensor) -> Tensor:
        """Gathers rows of one column where it is, then bring them to the device."""
        if column.device == self._device:
            return column.index_select(0, self._put(order, order.dtype))
        return self._put(column.index_select(0, order), column.dtype)

    def _put(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        """Puts a tensor on the device; on a card, from pinned memory and without waiting."""
        if self._stream is not None:
            tensor = tensor.to(dtype).pin_memory()
        return tensor.to(self._device, dtype, non_blocking=True)


def _new_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Returns a stream to copy on if the device is a card, else None."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
