"""Says what the machine is, by torch and by NVML; the last line is one line of JSON.

    python -m benchmarks.on_a_card.facts

A figure that nobody could tell is null.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
from collections.abc import Callable
from typing import Any

import torch

from trainables.telemetry.device import cpu_model
from trainables.telemetry.gpu import gpu_monitor
from trainables.telemetry.memory import GIB


def main() -> None:
    """Prints the facts as one line of JSON."""
    print(json.dumps(of_torch() | of_nvml() | of_reading()))


def of_torch() -> dict[str, Any]:
    """Returns what torch says of the card, and the machine around it; ``card`` is None without one."""
    has_card = torch.cuda.is_available()
    found = torch.cuda.get_device_properties(torch.cuda.current_device()) if has_card else None
    return {
        "card": found.name if found else None,
        "memory_gib": round(found.total_memory / GIB, 2) if found else None,
        "compute_capability": f"{found.major}.{found.minor}" if found else None,
        "num_cards": torch.cuda.device_count(),
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cpu": cpu_model(),
        "num_cores": len(os.sched_getaffinity(0)),
    }


def of_nvml(nvml: Any = None) -> dict[str, Any]:
    """Returns what the driver says of the machine's first card.

    Args:
        nvml: The module ``pynvml``, or what answers like it; None imports it.
    """
    nvml = importlib.import_module("pynvml") if nvml is None else nvml
    found = dict.fromkeys(("driver", "nvml_name", "sm_clock_max_mhz", "power_limit_w", "is_mig"))
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return found
    try:
        return found | _answers(nvml)
    finally:
        nvml.nvmlShutdown()


def _answers(nvml: Any) -> dict[str, Any]:
    """Asks an open driver; what it refuses is None."""

    def ask(function: str, *words: Any) -> Any:
        try:
            return getattr(nvml, function)(*words)
        except nvml.NVMLError:
            return None

    card = ask("nvmlDeviceGetHandleByIndex", 0)
    limit_mw, mode = ask("nvmlDeviceGetEnforcedPowerLimit", card), ask("nvmlDeviceGetMigMode", card)
    return {
        "driver": _text(ask("nvmlSystemGetDriverVersion")),
        "nvml_name": _text(ask("nvmlDeviceGetName", card)),
        "sm_clock_max_mhz": ask("nvmlDeviceGetMaxClockInfo", card, nvml.NVML_CLOCK_SM),
        "power_limit_w": None if limit_mw is None else limit_mw / 1000,
        "is_mig": None if mode is None else bool(mode[0]),
    }


def of_reading(monitor: Callable[[str], Any] = gpu_monitor) -> dict[str, Any]:
    """Returns one reading of the card that torch would use, by the monitor that watches trainings."""
    card = monitor("cuda")
    reading = card.read()
    card.close()
    names = ("sm_clock_mhz", "power_w", "energy_j", "temperature_c", "util_pct", "num_others")
    return {name: getattr(reading, name) for name in names}


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()
