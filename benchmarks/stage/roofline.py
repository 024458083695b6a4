"""Computes the least time of a row on the machine: its arithmetic or its memory, whichever takes longer.

This module measures a matrix product and a copy, and counts FLOPs and bytes. It trains nothing.
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
        bytes_per_s: Bytes per second that a copy of 256 MiB reads and writes, together.
    """

    flops: float
    bytes_per_s: float

    @classmethod
    def measure(cls, kind: str) -> Machine:
        """Measures the limits as the best of several products and copies."""
        size = 1024 if kind == "cpu" else 8192
        a = torch.randn(size, size, device=kind)
        big = torch.ones(2**26, device=kind)
        out = torch.empty_like(big)
        product_s = min(_seconds(lambda: a @ a, kind) for _ in range(20))
        copy_s = min(_seconds(lambda: out.copy_(big), kind) for _ in range(5))
        return cls(flops=2 * size**3 / product_s, bytes_per_s=2 * big.nbytes / copy_s)

    def or_better(self, other: Machine) -> Machine:
        """Returns the higher of each limit, because other load on the machine only lowers a measurement."""
        return Machine(
            flops=max(self.flops, other.flops), bytes_per_s=max(self.bytes_per_s, other.bytes_per_s)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLimit:
    """The least time that a row can take.

    Attributes:
        flop_s: Seconds for its matrix products, at the rate of a large product.
        memory_s: Seconds to read once what must come from memory with any cache: the row's noise and levels,
            and its share of the sample's fields.
        activations_s: Seconds to write and read once what the backward pass keeps. This is not a lower bound,
            because activations that stay in a cache never reach memory.
    """

    flop_s: float
    memory_s: float
    activations_s: float

    @classmethod
    def of(cls, machine: Machine, options: StageOptions, num_taus: int) -> RowLimit:
        """Computes the limit of a row; ``num_taus`` rows share a sample's r, u and u_hat."""
        cost = row_cost(options)
        values = options.num_points * (1 + 3 / num_taus) + 2
        return cls(
            flop_s=cost.flops / machine.flops,
            memory_s=FLOAT_BYTES * values / machine.bytes_per_s,
            activations_s=2 * cost.saved_bytes / machine.bytes_per_s,
        )

    @property
    def seconds(self) -> float:
        """The limit that binds, in seconds."""
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
    """Returns the clock of a device in seconds: CPU time of the process on a CPU, wall-clock time on a card.

    On a CPU the benchmark has one thread that never waits, so all of its CPU time is work.
    """
    return time.process_time if kind == "cpu" else time.perf_counter


def _seconds(work: Callable[[], Any], kind: str) -> float:
    clock, wait = clock_of(kind), synchronizer(kind)
    wait()
    start = clock()
    work()
    wait()
    return clock() - start
