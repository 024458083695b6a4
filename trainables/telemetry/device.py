"""Describes the device that figures are measured on, and limits the cores that a trial may use.

Knows names and sizes of hardware. Does not measure. Torch is used where it is already loaded, or
where a CUDA device must be asked.
"""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from trainables.telemetry.memory import GIB


class OtherDeviceError(RuntimeError):
    """This process is on another device than the one that the study measures: its figures would not compare.

    The trial says nothing of its configuration and is asked again elsewhere.
    """


def require(name: str, here: str) -> None:
    """Raises OtherDeviceError unless the device is the one that is measured; an empty ``name`` takes any."""
    if name and here != name:
        raise OtherDeviceError(f"the trial was started on {here}, but this run measures {name}")


def describe(device_kind: str) -> dict[str, Any]:
    """Describes the device that every figure is labelled with.

    Args:
        device_kind: ``cuda`` or ``cpu``.

    Returns:
        ``kind``, ``name`` (of the card or the processor), ``memory_gib``, ``num_threads`` (cores
        this process may use), ``python``, ``torch`` (versions; "" without torch).
    """
    memory_gib = _cuda_card()[1] if device_kind == "cuda" else _system_gib()
    return {
        "kind": device_kind,
        "name": device_name(device_kind),
        "memory_gib": round(memory_gib, 2),
        "num_threads": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "torch": _torch_version(),
    }


@cache
def device_name(device_kind: str) -> str:
    """Returns the ``name`` of ``describe``, which every report carries."""
    return _cuda_card()[0] if device_kind == "cuda" else cpu_model()


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Returns the processor's name, as the kernel gives it, or as Python guesses it."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def use_threads(num_threads: int, allowed: set[int], *, pin: bool) -> None:
    """Limits this process to ``num_threads`` threads of compute.

    Args:
        num_threads: Threads for torch, where it is loaded.
        allowed: Cores the process was started with.
        pin: Whether to keep to ``num_threads`` of them: a thread that moves between cores loses
            its caches, and its timings scatter. The last ones are taken, since the first serve
            most interrupts.
    """
    if pin:
        os.sched_setaffinity(0, sorted(allowed)[-num_threads:])
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(num_threads)


def _cuda_card() -> tuple[str, float]:
    """Returns name and GiB of the current CUDA card."""
    import torch  # only where a CUDA device is used

    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return str(properties.name), properties.total_memory / GIB


def _system_gib() -> float:
    """Returns the main memory of the machine in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB


def _torch_version() -> str:
    """Returns torch's version without importing torch."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""
