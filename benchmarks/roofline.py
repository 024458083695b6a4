"""What a row costs at the limit of the machine: arithmetic or memory, whichever takes longer.

Measures a matrix product and a copy; counts FLOPs and bytes. Does not know how fast anything trains.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from trainables.consistency.options import StageOptions
from trainables.consistency.row_cost import FLOAT_BYTES, row_cost
from trainables.telemetry.clock import synchronizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The limits of one core, or of a card, in fp32.

    Attributes:
        flops: FLOP/s of a square matrix product.
        bytes_per_s: Of a 256 MiB copy, read and written.
    """

    flops: float
    bytes_per_s: float

    @classmethod
    def measure(cls, kind: str) -> Machine:
        """The best of several products and copies."""
        size = 1024 if kind == "cpu" else 8192
        a = torch.randn(size, size, device=kind)
        big = torch.ones(2**26, device=kind)
        out = torch.empty_like(big)
        product_s = min(_seconds(lambda: a @ a, kind) for _ in range(20))
        copy_s = min(_seconds(lambda: out.copy_(big), kind) for _ in range(5))
        return cls(flops=2 * size**3 / product_s, bytes_per_s=2 * big.nbytes / copy_s)

    def or_better(self, other: Machine) -> Machine:
        """The higher of each limit: who else uses the machine only lowers what is measured."""
        return Machine(
            flops=max(self.flops, other.flops), bytes_per_s=max(self.bytes_per_s, other.bytes_per_s)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLimit:
    """Least time of a row.

    Attributes:
        flop_s: Its matrix products, at the rate of a large one.
        memory_s: What must come from memory whatever the cache: its noise, levels and its share of the
            sample's fields, read once.
        activations_s: What the backward pass keeps, written and read once. No lower bound: as far as it stays
            in a cache, memory does not see it.
    """

    flop_s: float
    memory_s: float
    activations_s: float

    @classmethod
    def of(cls, machine: Machine, options: StageOptions, num_taus: int) -> RowLimit:
        """Of a row of these options; the samples' r, u and u_hat are shared by ``num_taus`` rows."""
        cost = row_cost(options)
        values = options.num_points * (1 + 3 / num_taus) + 2
        return cls(
            flop_s=cost.flops / machine.flops,
            memory_s=FLOAT_BYTES * values / machine.bytes_per_s,
            activations_s=2 * cost.saved_bytes / machine.bytes_per_s,
        )

    @property
    def seconds(self) -> float:
        """The limit that binds."""
        return max(self.flop_s, self.memory_s)

    def __str__(self) -> str:
        binds = "arithmetic" if self.flop_s >= self.memory_s else "memory"
        flop_us, memory_us, activations_us = (
            f"{1e6 * s:.2f} us" for s in (self.flop_s, self.memory_s, self.activations_s)
        )
        return (
            f"a row takes at least {flop_us} of arithmetic and {memory_us} of memory: {binds} binds "
            f"(its activations would take {activations_us} of memory if no cache held them)"
        )


def clock_of(kind: str) -> Callable[[], float]:
    """Seconds of work: on a CPU those of the process, which one thread that never waits spends working."""
    return time.process_time if kind == "cpu" else time.perf_counter


def _seconds(work: Callable[[], Any], kind: str) -> float:
    clock, wait = clock_of(kind), synchronizer(kind)
    wait()
    start = clock()
    work()
    wait()
    return clock() - start
