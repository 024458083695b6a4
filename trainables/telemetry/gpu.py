"""Reads a card's figures from NVML through one small interface, which also has null and replay versions.

Knows NVML's functions, its ways to refuse, MIG and how CUDA_VISIBLE_DEVICES names a card. Does not
know training, nor what is too busy or too hot. A figure that the card refuses is None, never 0.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from trainables.telemetry.memory import GIB
from trainables.telemetry.procfs import stat_fields

THROTTLES = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""NVML's reasons for lower clocks that disturb a measurement. Its software power cap (4) is missing
on purpose: under full load that is how many cards always run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReading:
    """One reading of a card; figures that it cannot give are None.

    Attributes:
        util_pct: Share of NVML's last sample period in which a kernel ran.
        memory_gib: Memory in use on the card (the MIG instance), by everybody.
        power_w: Current power draw.
        energy_j: The card's energy counter: joules since the driver was loaded.
        temperature_c: Temperature of the chip.
        sm_clock_mhz: Clock of the multiprocessors.
        throttle_bits: NVML's clock event reasons.
        num_others: Processes on the card that are not ours.
    """

    util_pct: float | None = None
    memory_gib: float | None = None
    power_w: float | None = None
    energy_j: float | None = None
    temperature_c: float | None = None
    sm_clock_mhz: float | None = None
    throttle_bits: int | None = None
    num_others: int | None = None


class GpuMonitor(ABC):
    """Reads a card."""

    @abstractmethod
    def read(self) -> GpuReading:
        """Looks once; never raises for what the card or driver cannot say."""

    @abstractmethod
    def close(self) -> None:
        """Lets the driver go; harmless when called twice."""


class NullMonitor(GpuMonitor):
    """A monitor for machines without card, driver or library: every figure is None."""

    def read(self) -> GpuReading:
        """Returns a reading in which every figure is None."""
        return GpuReading()

    def close(self) -> None:
        """Does nothing, since nothing is open."""


class NvmlMonitor(GpuMonitor):
    """Asks NVML about the card that this process computes on.

    In a MIG instance utilisation is refused by the driver, and power and energy are the whole
    card's, neighbours included: all three are None. Temperature, clocks and throttling are the card's.

    Args:
        nvml: The module ``pynvml``, or what answers like it; initialised here.
        visible: CUDA_VISIBLE_DEVICES; None when it is not set.
        uuid: The card's UUID as CUDA tells it, "" if unknown: CUDA may number cards unlike NVML.

    Raises:
        nvml.NVMLError: There is no driver or library, or no such card.
    """

    def __init__(self, nvml: Any, *, visible: str | None = None, uuid: str = "") -> None:
        self._nvml = nvml
        nvml.nvmlInit()
        try:
            self._instance = _find(nvml, visible, uuid)
            self._is_mig = bool(_int(self._ask("nvmlDeviceIsMigDeviceHandle", self._instance) or 0))
            parent = self._ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", self._instance)
            self._card = parent if self._is_mig and parent is not None else self._instance
        except BaseException:
            nvml.nvmlShutdown()
            raise
        self._is_open = True

    def read(self) -> GpuReading:
        """Asks NVML for every figure once."""
        nvml, card = self._nvml, self._card
        whole = None if self._is_mig else card
        util = self._ask("nvmlDeviceGetUtilizationRates", whole)
        memory = self._ask("nvmlDeviceGetMemoryInfo", self._instance)
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons", card)
        if bits is None:  # drivers before 535 know it by its old name
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", card)
        return GpuReading(
            util_pct=None if util is None else float(util.gpu),
            memory_gib=None if memory is None else memory.used / GIB,
            power_w=_scaled(self._ask("nvmlDeviceGetPowerUsage", whole), 1e-3),
            energy_j=_scaled(self._ask("nvmlDeviceGetTotalEnergyConsumption", whole), 1e-3),
            temperature_c=_scaled(self._ask("nvmlDeviceGetTemperature", card, nvml.NVML_TEMPERATURE_GPU), 1),
            sm_clock_mhz=_scaled(self._ask("nvmlDeviceGetClockInfo", card, nvml.NVML_CLOCK_SM), 1),
            throttle_bits=bits,
            num_others=self._num_others(),
        )

    def ask(self, function: str) -> Any:
        """Returns NVML's answer about the card, or the MIG instance; None if it refuses."""
        return self._ask(function, self._instance)

    def close(self) -> None:
        """Ends the session with the driver, dead or alive."""
        if self._is_open:
            self._is_open = False
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()

    def _ask(self, function: str, handle: Any, *rest: Any) -> Any:
        """Returns NVML's answer; None if it refuses, has no session, or is too old for the function."""
        ask = getattr(self._nvml, function, None)
        if handle is None or ask is None:
            return None
        try:
            return ask(handle, *rest)
        except self._nvml.NVMLError:
            return None

    def _num_others(self) -> int | None:
        """Counts foreign processes. In a container ours has another number: one is then taken to be us."""
        found = self._ask("nvmlDeviceGetComputeRunningProcesses", self._instance)
        if found is None:
            return None
        pids = {process.pid for process in found}
        others = {pid for pid in pids if not is_ours(pid)}
        return len(others) if len(others) < len(pids) else max(0, len(others) - 1)


class _ReplayError(Exception):
    """The error that a recorded card raises when it refuses an answer."""


class ReplayedNvml:
    """Answers like the module ``pynvml`` from a recording, so that monitors run their real code.

    The recording maps a function's name to its answer, or to a dict of answers by handle; a handle
    is what the functions that give one answered. ``{"error": ...}`` is raised as ``NVMLError``, a
    function that is missing raises too; dicts with other keys become objects; ``{"series": [...]}``
    answers in turn, the last one for ever.
    """

    NVMLError = _ReplayError
    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self._asked: dict[tuple[str, str], int] = {}
        self.num_open = 0

    @classmethod
    def load(cls, path: Path) -> ReplayedNvml:
        """Reads a recording from a JSON file."""
        return cls(json.loads(path.read_text()))

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's name
        """Opens, unless the recording has an error for it."""
        if "nvmlInit" in self._answers:
            self._answer("nvmlInit")
        self.num_open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802 - NVML's name
        """Closes, or fails as the recording says; either way it is closed."""
        self.num_open -= 1
        if "nvmlShutdown" in self._answers:
            self._answer("nvmlShutdown")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.startswith("nvml"):
            raise AttributeError(name)
        return lambda *args: self._answer(name, *args)

    def _answer(self, name: str, *args: Any) -> Any:
        answer = self._answers.get(name, {"error": "Function Not Found"})
        key = "/".join(str(_text(arg)) for arg in args)
        if isinstance(answer, dict) and not {"error", "series"} & set(answer):
            by_handle = key if key in answer else str(_text(args[0])) if args else key
            if by_handle in answer:
                answer = answer[by_handle]
            elif args:
                raise _ReplayError(f"{name}: no answer for {key}")
        if isinstance(answer, dict) and "series" in answer:
            turn = self._asked.get((name, key), 0)
            self._asked[name, key] = turn + 1
            answer = answer["series"][min(turn, len(answer["series"]) - 1)]
        if isinstance(answer, dict) and "error" in answer:
            raise _ReplayError(answer["error"])
        if isinstance(answer, list):
            return [SimpleNamespace(**a) if isinstance(a, dict) else a for a in answer]
        return SimpleNamespace(**answer) if isinstance(answer, dict) else answer


def gpu_monitor(device_kind: str) -> GpuMonitor:
    """Returns the monitor for this process: null on a CPU, and wherever NVML is not available."""
    if device_kind != "cuda":
        return NullMonitor()
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return NullMonitor()
    try:
        return NvmlMonitor(nvml, visible=os.environ.get("CUDA_VISIBLE_DEVICES"), uuid=_cuda_uuid())
    except nvml.NVMLError:
        return NullMonitor()


def _cuda_uuid() -> str:
    """Returns the UUID of torch's current card; "" if torch is not loaded or cannot tell."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ""
    return str(getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "uuid", ""))


def _find(nvml: Any, visible: str | None, uuid: str) -> Any:
    """Returns the handle of the first visible card or MIG instance; see ``NvmlMonitor``."""
    name = "" if visible is None else visible.split(",")[0].strip()
    if visible is not None and (not name or name == "-1"):
        raise nvml.NVMLError(6)  # NVML_ERROR_NOT_FOUND: no card is visible
    if name.startswith("MIG-"):
        return nvml.nvmlDeviceGetHandleByUUID(name)
    if uuid:
        card = _by_uuid(nvml, f"GPU-{uuid.removeprefix('GPU-')}")
        if card is None:  # CUDA then tells the UUID of a MIG instance
            return nvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid.removeprefix('MIG-')}")
    elif name.startswith("GPU-"):
        card = _by_uuid(nvml, name)
    else:
        card = nvml.nvmlDeviceGetHandleByIndex(int(name or 0)) if name.isdecimal() or not name else None
    if card is None:
        raise nvml.NVMLError(6)  # NVML_ERROR_NOT_FOUND
    try:
        is_split = bool(nvml.nvmlDeviceGetMigMode(card)[0])
    except nvml.NVMLError:  # cards that know no MIG
        is_split = False
    return nvml.nvmlDeviceGetMigDeviceHandleByIndex(card, 0) if is_split else card


def _by_uuid(nvml: Any, start: str) -> Any:
    """Returns the card whose UUID begins so (CUDA allows short forms); None if there is none."""
    cards = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    found = [card for card in cards if str(_text(nvml.nvmlDeviceGetUUID(card))).startswith(start)]
    return found[0] if found else None


def is_ours(pid: int) -> bool:
    """Whether a process is this one or descends from it."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(stat_fields(pid)[1])
        except OSError:
            return False
    return False


def _scaled(value: Any, factor: float) -> float | None:
    return None if value is None else float(value) * factor


def _int(value: Any) -> int:
    """Returns a number, or the number in a ctypes value."""
    return int(getattr(value, "value", value))


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
