"""Peak memory of a trial, in GiB (1024^3 bytes): of the CUDA allocator, or of the process.

Knows how to reset, read and free. Does not know trials or why memory is used. Torch is imported
only where a CUDA device is measured.
"""

from __future__ import annotations

import ctypes
import gc
import resource
from abc import ABC, abstractmethod
from pathlib import Path

GIB = 1024**3

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class UnreleasedMemoryError(RuntimeError):
    """A trial that ended still holds device memory, so this process must not measure any more."""


class MemoryMeter(ABC):
    """Peak memory since the last reset."""

    def reset(self) -> None:
        """Frees unused memory and starts a new peak.

        What is left, imports above all, is kept out of later garbage collections while the process lives (or
        until somebody calls `gc.unfreeze`): a collection of it took longer than building a trial.
        """
        gc.collect()
        gc.freeze()
        self._start_peak()

    @abstractmethod
    def _start_peak(self) -> None:
        """Gives free memory back, where the peak would count it, and starts a new peak."""

    @abstractmethod
    def peak_gib(self) -> float:
        """Returns the highest use since ``reset``, in GiB."""

    def peak_reserved_gib(self) -> float | None:
        """Returns the allocator's highest reservation since ``reset``, in GiB; None if none reserves."""
        return None

    def num_alloc_retries(self) -> int | None:
        """Counts allocations since ``reset`` that had to empty the cache first; None if nobody counts."""
        return None

    @abstractmethod
    def require_released(self) -> None:
        """Raises UnreleasedMemoryError if a trial that ended still holds device memory."""

    def close(self) -> None:  # noqa: B027 - most meters have nothing to let go
        """Lets go what the meter holds; harmless when called twice."""


class ProcessMemoryMeter(MemoryMeter):
    """Peak resident set of this process, interpreter and libraries included.

    Where the kernel cannot reset the peak (no ``/proc``, or read-only in a container) it is the
    peak of the process's life: an upper bound for every trial after the first.
    """

    def _start_peak(self) -> None:
        """Starts a new peak, where the kernel can."""
        _return_free_memory()
        try:
            _CLEAR_REFS.write_text("5")  # 5: reset the peak resident set (man 5 proc)
        except OSError:
            return

    def peak_gib(self) -> float:
        """Returns the highest resident set, in GiB."""
        try:
            status = _STATUS.read_text()
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
        return _peak_kib(status) * 1024 / GIB

    def require_released(self) -> None:
        """Never raises: the process holds other things too, so there is no baseline to return to."""


class CudaMemoryMeter(MemoryMeter):
    """Peak of torch's CUDA allocator on the current device, set-up of the trial included."""

    _TOLERANCE_GIB = 0.0625
    """GiB that libraries may keep allocated; a leaked network or activation is larger."""

    def __init__(self) -> None:
        import torch  # only where a CUDA device is used

        self._cuda = torch.cuda
        # Not public, and not in builds without CUDA.
        self._clear_workspaces = getattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: None)
        self._baseline = self._cuda.memory_allocated()
        self._retries_before = 0

    def _start_peak(self) -> None:
        """Empties torch's caches and starts a new peak.

        One cache holds a workspace for every stream on which cuBLAS was asked, for good: 32 MiB each on an
        H100, .10 GiB after one trial with captured graphs.
        """
        self._clear_workspaces()
        self._cuda.empty_cache()
        self._cuda.reset_peak_memory_stats()
        self._retries_before = self._retries()

    def peak_gib(self) -> float:
        """Returns torch's highest allocation, in GiB."""
        return float(self._cuda.max_memory_allocated()) / GIB

    def peak_reserved_gib(self) -> float:
        """Returns torch's highest reservation, in GiB."""
        return float(self._cuda.max_memory_reserved()) / GIB

    def num_alloc_retries(self) -> int:
        """Counts retries of torch's allocator: with any, the trial was slow, near the card's limit."""
        return self._retries() - self._retries_before

    def _retries(self) -> int:
        return int(self._cuda.memory_stats().get("num_alloc_retries", 0))

    def require_released(self) -> None:
        """Raises UnreleasedMemoryError unless allocations are back near where this process began."""
        held = (self._cuda.memory_allocated() - self._baseline) / GIB
        if held > self._TOLERANCE_GIB:
            raise UnreleasedMemoryError(
                f"the last trial still holds {held:.2f} GiB of CUDA memory. "
                "Fix: the stage's release() must drop every tensor; this process is given up."
            )


def memory_meter(device_kind: str) -> MemoryMeter:
    """Returns the meter for a ``cuda`` or ``cpu`` device."""
    return CudaMemoryMeter() if device_kind == "cuda" else ProcessMemoryMeter()


def _peak_kib(status: str) -> int:
    """Returns VmHWM, the peak resident set in KiB, from the text of /proc/self/status."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError("/proc/self/status has no VmHWM line")


def _return_free_memory() -> None:
    """Gives freed heap pages back to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
