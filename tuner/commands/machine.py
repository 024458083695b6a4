"""Describes this machine: cards, driver and torch, asked in a process of its own.

The tuner imports neither torch nor NVML; a Python beside it does, so that a broken installation is an answer
here, and not a crash. Knows what to ask, not what is good.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

GIB = 1024**3
_TIMEOUT_S = 180

_TORCH = """
import json, torch
cards = []
if torch.cuda.is_available():
    for k in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(k)
        cards.append({"name": card.name, "memory_gib": card.total_memory / 1024**3,
                      "capability": f"{card.major}.{card.minor}"})
print(json.dumps({"version": torch.__version__, "cuda": torch.version.cuda, "cards": cards}))
"""
_NVML = """
import json, pynvml
pynvml.nvmlInit()
text = lambda value: value.decode() if isinstance(value, bytes) else value
handles = [pynvml.nvmlDeviceGetHandleByIndex(k) for k in range(pynvml.nvmlDeviceGetCount())]
print(json.dumps({"driver": text(pynvml.nvmlSystemGetDriverVersion()),
                  "cards": [text(pynvml.nvmlDeviceGetName(handle)) for handle in handles]}))
"""
_CPU = """
import json
from trainables.telemetry.device import describe
print(json.dumps(describe("cpu")))
"""
_RAY = """
import json, ray
print(json.dumps({"version": ray.__version__}))
"""


def ask_torch() -> dict[str, Any]:
    """Returns `version`, `cuda` (of the build; None for a CPU build) and `cards`; or `error`."""
    return _ask(_TORCH)


def ask_nvml() -> dict[str, Any]:
    """Returns `driver` and the names of its `cards`; or `error`."""
    return _ask(_NVML)


def ask_ray() -> dict[str, Any]:
    """Returns `version`, or `error`."""
    return _ask(_RAY)


def _ask(code: str) -> dict[str, Any]:
    """Runs code that prints one JSON object last."""
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and our own code
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {_TIMEOUT_S} s"}
    if done.returncode:
        said = done.stderr.strip().splitlines()
        return {"error": said[-1] if said else f"it ended with exit code {done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def device_of(torch: Mapping[str, Any]) -> dict[str, Any]:
    """The device trials would run on, as hardware profiles compare it: the first card, else the CPU."""
    cards = torch.get("cards") or []
    if cards:
        return {"kind": "cuda", "name": cards[0]["name"], "memory_gib": round(cards[0]["memory_gib"], 2)}
    return _ask(_CPU)
