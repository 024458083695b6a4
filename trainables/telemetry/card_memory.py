"""Peak memory that the programs below this process use on their cards, as NVML tells it.

Knows two ways to ask: by process, and the whole card. Does not know the programs, and never imports torch.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from trainables.telemetry.gpu import NvmlMonitor, is_ours
from trainables.telemetry.memory import GIB, MemoryMeter
from trainables.telemetry.sampler import PERIOD_S


class CardMemoryMeter(MemoryMeter):
    """Looks at the cards every ``period_s``, from the first ``reset`` until ``close``.

    The memory of this process's descendants counts, on the card where it is highest. Where NVML does not name
    them (in a container it tells other process numbers, or none), it is what is in use on the card beyond
    what was in use at ``reset``. The peak is 0 where the driver tells neither.

    Args:
        cards: The cards; they stay open when the meter is closed.
        period_s: Seconds between two looks.
    """

    def __init__(self, cards: Sequence[NvmlMonitor], period_s: float = PERIOD_S) -> None:
        self._cards, self._period_s = list(cards), period_s
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._before: list[float | None] = []
        self._by_process = self._by_card = 0.0

    def _start_peak(self) -> None:
        """Notes what is in use already, and starts to look."""
        with self._lock:
            self._before = [_used_gib(card) for card in self._cards]
            self._by_process = self._by_card = 0.0
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_looking, name="card-memory", daemon=True)
            self._thread.start()

    def peak_gib(self) -> float:
        """Returns the highest use since ``reset``, in GiB; 0 if nobody can tell."""
        self._look()
        return self._by_process or self._by_card

    def require_released(self) -> None:
        """Never raises: the programs have ended, and their memory with them."""

    def close(self) -> None:
        """Stops looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _keep_looking(self) -> None:
        while not self._stop.wait(self._period_s):
            self._look()

    def _look(self) -> None:
        with self._lock:
            for card, before in zip(self._cards, self._before, strict=True):
                self._by_process = max(self._by_process, _ours_gib(card))
                used = _used_gib(card)
                if used is not None and before is not None:
                    self._by_card = max(self._by_card, used - before)


def _used_gib(card: NvmlMonitor) -> float | None:
    """Returns the memory in use on the card, by everybody; None if it is refused."""
    memory = card.ask("nvmlDeviceGetMemoryInfo")
    return None if memory is None else float(memory.used) / GIB


def _ours_gib(card: NvmlMonitor) -> float:
    """Returns the memory of this process and its descendants; 0 if NVML names none of them."""
    processes = card.ask("nvmlDeviceGetComputeRunningProcesses") or ()
    used = [getattr(process, "usedGpuMemory", None) for process in processes if is_ours(process.pid)]
    return sum(amount or 0 for amount in used) / GIB
