"""NVML's answers become figures or None: recorded answers go through the code that asks a real card."""

import json
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainables.telemetry import gpu
from trainables.telemetry.gpu import GpuReading, NullMonitor, NvmlMonitor, ReplayedNvml
from trainables.telemetry.sampler import GpuSampler, GpuUsage, energy_j

RECORDED = Path(__file__).parent / "nvml"


def recorded(name: str, **changes: Any) -> ReplayedNvml:
    return ReplayedNvml(json.loads((RECORDED / f"{name}.json").read_text()) | changes)


@pytest.mark.parametrize(
    ("visible", "uuid", "util"),
    [
        (None, "", 10.0),
        ("1", "", 90.0),
        ("1,0", "", 90.0),
        ("GPU-bbbb-2", "", 90.0),
        ("GPU-bb", "", 90.0),
        ("0", "bbbb-2", 90.0),  # CUDA counts the fastest first: its UUID is right, the index is not
    ],
)
def test_the_card_of_a_remapped_process_is_found(visible: str | None, uuid: str, util: float) -> None:
    assert NvmlMonitor(recorded("two_cards"), visible=visible, uuid=uuid).read().util_pct == util


def test_every_figure_is_in_its_unit() -> None:
    assert NvmlMonitor(ReplayedNvml.load(RECORDED / "two_cards.json"), visible="1").read() == GpuReading(
        util_pct=90.0,
        memory_gib=2.0,
        power_w=300.0,
        energy_j=1000.0,
        temperature_c=61.0,
        sm_clock_mhz=1410.0,
        throttle_bits=4,
        num_others=1,  # of two foreign numbers in a container, one is us
    )


@pytest.mark.parametrize("visible", [None, "0", "MIG-1234"])
def test_a_mig_instance_has_its_own_memory_and_no_power_of_its_neighbours(visible: str | None) -> None:
    reading = NvmlMonitor(recorded("mig"), visible=visible).read()
    assert (reading.util_pct, reading.power_w, reading.energy_j) == (None, None, None)
    assert (reading.memory_gib, reading.temperature_c, reading.sm_clock_mhz) == (3.0, 55.0, 1980.0)
    assert (reading.throttle_bits, reading.num_others) == (64, 0)


def test_what_a_card_refuses_is_none_and_the_rest_stays() -> None:
    refused = {
        name: {"error": "Not Supported"}
        for name in ("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetTotalEnergyConsumption",
                     "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetCurrentClocksEventReasons")
    }  # fmt: skip
    reading = NvmlMonitor(recorded("two_cards", **refused), visible="1").read()
    assert (reading.util_pct, reading.energy_j, reading.num_others, reading.throttle_bits) == (None,) * 4
    assert reading.power_w == 300.0


def test_our_own_process_and_its_children_are_not_others() -> None:
    processes = [{"pid": os.getpid()}, {"pid": 999999901}]
    nvml = recorded("two_cards", nvmlDeviceGetComputeRunningProcesses={"a": processes})
    assert NvmlMonitor(nvml).read().num_others == 1


@pytest.mark.parametrize("uuid", ["1234", "MIG-1234", "cccc-3"])
def test_cuda_may_tell_the_uuid_of_the_instance_or_of_its_card(uuid: str) -> None:
    reading = NvmlMonitor(recorded("mig"), visible="0", uuid=uuid).read()
    assert (reading.memory_gib, reading.power_w) == (3.0, None)


@pytest.mark.parametrize(
    ("visible", "util"), [("1", 90.0), ("GPU-bbbb-2", 90.0), ("", None), ("-1", None), ("0:0", None)]
)
def test_the_process_watches_the_card_that_cuda_lets_it_see(
    monkeypatch: pytest.MonkeyPatch, visible: str, util: float | None
) -> None:
    nvml = recorded("two_cards")
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monitor = gpu.gpu_monitor("cuda")
    assert monitor.read().util_pct == util
    assert isinstance(monitor, NullMonitor) == (util is None)
    monitor.close()
    assert nvml.num_open == 0


def test_a_driver_that_dies_while_watched_leaves_what_was_seen_and_no_energy() -> None:
    """Every question answered twice, then the card is lost; closing fails too, and nobody notices."""
    dead = {"error": "GPU is lost"}
    seen_twice = {
        name: {"b": {"series": [answer, answer, dead]}}
        for name, answer in {
            "nvmlDeviceGetUtilizationRates": {"gpu": 90},
            "nvmlDeviceGetPowerUsage": 300000,
            "nvmlDeviceGetTotalEnergyConsumption": 1000000,
            "nvmlDeviceGetComputeRunningProcesses": [],
        }.items()
    }
    refused = dict.fromkeys(
        ("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetTemperature", "nvmlDeviceGetClockInfo", "nvmlShutdown"),
        dead,
    )
    nvml = recorded("two_cards", **seen_twice, **refused)
    monitor, usage = NvmlMonitor(nvml, visible="1"), GpuUsage()
    with GpuSampler(monitor, period_s=0.01).watch(usage):
        time.sleep(0.05)
    assert usage.mean("power_w") == 300.0
    assert (usage.energy_j, usage.highest("temperature_c")) == (None, None)
    monitor.close()
    assert nvml.num_open == 0


def test_a_library_without_a_function_is_a_card_that_refuses_it() -> None:
    class Old(ReplayedNvml):
        def __getattr__(self, name: str) -> Any:
            if name in ("nvmlDeviceIsMigDeviceHandle", "nvmlDeviceGetCurrentClocksEventReasons"):
                raise AttributeError(name)
            return super().__getattr__(name)

    answers = json.loads((RECORDED / "two_cards.json").read_text())
    answers["nvmlDeviceGetCurrentClocksThrottleReasons"] = {"b": 8}
    reading = NvmlMonitor(Old(answers), visible="1").read()
    assert (reading.util_pct, reading.throttle_bits) == (90.0, 8)


@pytest.mark.parametrize("visible", ["", "-1", "5", "nonsense", "0:0", "GPU-dddd", "MIG-9"])
def test_without_such_a_card_the_session_is_closed_again(visible: str) -> None:
    nvml = recorded("two_cards")
    with pytest.raises(nvml.NVMLError):
        NvmlMonitor(nvml, visible=visible)
    assert nvml.num_open == 0


def test_closing_twice_closes_once() -> None:
    nvml = recorded("two_cards")
    monitor = NvmlMonitor(nvml)
    monitor.close()
    monitor.close()
    assert nvml.num_open == 0


def test_a_missing_driver_or_library_gives_the_null_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", ReplayedNvml({"nvmlInit": {"error": "Driver Not Loaded"}}))
    assert isinstance(gpu.gpu_monitor("cuda"), NullMonitor)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert isinstance(gpu.gpu_monitor("cuda"), NullMonitor)
    assert isinstance(gpu.gpu_monitor("cpu"), NullMonitor)
    assert NullMonitor().read() == GpuReading()


def test_the_real_library_without_a_driver_gives_the_null_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors are pynvml's own, raised by its own code."""
    pynvml = pytest.importorskip("pynvml")
    missing = pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    def init() -> None:
        raise missing

    monkeypatch.setattr(pynvml, "nvmlInit", init)
    assert isinstance(gpu.gpu_monitor("cuda"), NullMonitor)


def test_a_watched_span_is_summed_up_and_leaves_no_thread() -> None:
    nvml = recorded("two_cards")
    usage = GpuUsage()
    with GpuSampler(NvmlMonitor(nvml, visible="1"), period_s=0.01).watch(usage):
        assert any(t.name == "gpu-sampler" and t.daemon for t in threading.enumerate())
        time.sleep(0.1)
    assert not any(t.name == "gpu-sampler" for t in threading.enumerate())
    assert usage.num_readings >= 3
    assert usage.energy_j == 600.0
    assert usage.mean("power_w") == 300.0
    assert usage.highest("temperature_c") == 61.0
    assert usage.throttled == {}  # the software power cap is how a card under load runs


def test_the_reading_at_the_start_is_of_what_was_before_and_counts_for_no_mean() -> None:
    """An idle card before an epoch that keeps it busy: 95 % once read as 70 %."""
    before_and_after = {
        "nvmlDeviceGetUtilizationRates": [{"gpu": 20}, {"gpu": 95}],
        "nvmlDeviceGetPowerUsage": [70000, 300000],
        "nvmlDeviceGetClockInfo": [210, 1410],
    }
    handles = {"nvmlDeviceGetClockInfo": "b/1"}
    answers = {
        name: {handles.get(name, "b"): {"series": series}} for name, series in before_and_after.items()
    }
    usage = GpuUsage()
    with GpuSampler(NvmlMonitor(recorded("two_cards", **answers), visible="1")).watch(usage):
        time.sleep(0.3)
    found = [usage.mean(name) for name in ("util_pct", "power_w", "sm_clock_mhz")]
    assert found == [95.0, 300.0, 1410.0]
    assert usage.highest("memory_gib") == 2.0


def test_a_reading_whose_period_began_before_the_epoch_does_not_count_for_utilisation() -> None:
    """An epoch shorter than the period has no utilisation, rather than a wrong one."""
    usage = GpuUsage()
    for since_s, util_pct in ((0.0, 10.0), (0.1, 30.0)):
        usage.add(GpuReading(util_pct=util_pct, power_w=100.0 + util_pct, num_others=1), since_s)
    assert (usage.mean("util_pct"), usage.mean("power_w"), usage.highest("num_others")) == (None, 130.0, 1)
    usage.add(GpuReading(util_pct=95.0), 0.2)
    usage.add(GpuReading(util_pct=93.0), 0.25)
    assert usage.mean("util_pct") == 94.0


def test_a_body_that_raises_leaves_no_thread() -> None:
    def fail() -> None:
        with GpuSampler(NvmlMonitor(recorded("two_cards")), period_s=0.01).watch(GpuUsage()):
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert not any(t.name == "gpu-sampler" for t in threading.enumerate())


def test_the_null_monitor_starts_no_thread_and_measures_nothing() -> None:
    usage = GpuUsage()
    before = threading.active_count()
    with GpuSampler(NullMonitor()).watch(usage):
        assert threading.active_count() == before
    assert (usage.energy_j, usage.mean("power_w"), usage.num_readings) == (None, None, 0)


def test_energy_is_the_counters_else_power_integrated_else_none() -> None:
    powers = [
        (0.0, GpuReading(power_w=100.0)),
        (1.0, GpuReading(power_w=200.0)),
        (3.0, GpuReading(power_w=0.0)),
    ]
    assert energy_j(powers) == 150.0 + 200.0
    assert energy_j([(0.0, GpuReading(energy_j=5.0)), (1.0, GpuReading(energy_j=9.0))]) == 4.0
    assert energy_j([(0.0, GpuReading()), (1.0, GpuReading(power_w=5.0))]) is None


def test_an_epoch_without_energy_leaves_none_for_the_trial() -> None:
    usage = GpuUsage()
    for joules in (5.0, None, 5.0):
        usage.add_energy(joules)
    assert usage.energy_j is None


@pytest.mark.gpu
def test_a_real_card_says_something() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    monitor = gpu.gpu_monitor("cuda")
    reading = monitor.read()
    monitor.close()
    assert isinstance(monitor, NvmlMonitor)
    assert reading.memory_gib is not None
    assert reading.memory_gib > 0.0
    assert SimpleNamespace(others=reading.num_others).others in (None, 0)
