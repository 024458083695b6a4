"""The cards that this process may use, asked through NVML alone, and one monitor for all of them.

Knows CUDA_VISIBLE_DEVICES and how figures of several cards join. Does not know what runs on them, and never
imports torch.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from trainables.telemetry.gpu import GpuMonitor, GpuReading, NvmlMonitor
from trainables.telemetry.memory import GIB


def cards_here() -> list[NvmlMonitor]:
    """Opens every card or MIG instance that CUDA_VISIBLE_DEVICES leaves, in its order; to be closed.

    Like CUDA, it ends at the first name that is no card.

    Returns:
        One monitor a card; none without a card, driver or library, or if the driver refuses to open.
    """
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return []
    found: list[NvmlMonitor] = []
    try:
        for name in _names(nvml, os.environ.get("CUDA_VISIBLE_DEVICES")):
            found.append(NvmlMonitor(nvml, visible=name))
    except nvml.NVMLError:
        return found
    return found


@contextmanager
def opened_cards() -> Iterator[list[NvmlMonitor]]:
    """Gives the cards of ``cards_here`` for the duration of a ``with`` block."""
    cards = cards_here()
    try:
        yield cards
    finally:
        for card in cards:
            card.close()


def name_of(card: NvmlMonitor) -> str:
    """Returns the product name, as torch tells it too; "unnamed card" if it is refused."""
    name = card.ask("nvmlDeviceGetName")
    return "unnamed card" if name is None else name.decode() if isinstance(name, bytes) else str(name)


def capacity_gib(card: NvmlMonitor) -> float | None:
    """Returns all memory of a card or MIG instance, in GiB; None if it is refused."""
    memory = card.ask("nvmlDeviceGetMemoryInfo")
    return None if memory is None else float(memory.total) / GIB


class JoinedMonitor(GpuMonitor):
    """Reads several cards as one.

    Memory is that of the fullest card, energy and power are sums, utilisation is the mean. The clock is the
    lowest, the temperature the highest; a card that is throttled throttles all. A figure that one of the
    cards refuses is None.

    Args:
        cards: The cards, one or more.
    """

    def __init__(self, cards: Sequence[NvmlMonitor]) -> None:
        self._cards = list(cards)

    def read(self) -> GpuReading:
        """Looks at every card once."""
        seen = [card.read() for card in self._cards]
        return GpuReading(
            util_pct=_joined(seen, "util_pct", _mean),
            memory_gib=_joined(seen, "memory_gib", max),
            power_w=_joined(seen, "power_w", sum),
            energy_j=_joined(seen, "energy_j", sum),
            temperature_c=_joined(seen, "temperature_c", max),
            sm_clock_mhz=_joined(seen, "sm_clock_mhz", min),
            throttle_bits=_joined(seen, "throttle_bits", _any_of),
            num_others=_joined(seen, "num_others", sum),
        )

    def close(self) -> None:
        """Closes every card."""
        for card in self._cards:
            card.close()


def _names(nvml: Any, visible: str | None) -> list[str]:
    """Returns the names in CUDA_VISIBLE_DEVICES; without it, the index of every card of the machine."""
    if visible is not None:
        return [name.strip() for name in visible.split(",")]
    nvml.nvmlInit()
    try:
        return [str(index) for index in range(nvml.nvmlDeviceGetCount())]
    finally:
        nvml.nvmlShutdown()


def _joined(seen: Sequence[GpuReading], figure: str, join: Callable[[list[Any]], Any]) -> Any:
    values = [getattr(reading, figure) for reading in seen]
    return None if None in values else join(values)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _any_of(bits: list[int]) -> int:
    joined = 0
    for one in bits:
        joined |= one
    return joined
