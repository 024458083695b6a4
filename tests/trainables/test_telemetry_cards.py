"""Several cards are read as one, and their memory is told by process: on recorded answers."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from trainables.telemetry.card_memory import CardMemoryMeter
from trainables.telemetry.cards import JoinedMonitor, capacity_gib, cards_here, name_of, opened_cards
from trainables.telemetry.gpu import GpuReading, NvmlMonitor, ReplayedNvml
from trainables.telemetry.memory import GIB

RECORDED = Path(__file__).parent / "nvml"
REFUSED = {"error": "Insufficient Permissions"}


def recorded(name: str, **changes: Any) -> ReplayedNvml:
    return ReplayedNvml(json.loads((RECORDED / f"{name}.json").read_text()) | changes)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a recording in the place of pynvml, and sets CUDA_VISIBLE_DEVICES."""

    def put(nvml: Any, visible: str | None) -> Any:
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return nvml

    return put


@pytest.mark.parametrize(
    ("visible", "utils"),
    [
        (None, [10.0, 90.0]),
        ("0", [10.0]),
        ("1,0", [90.0, 10.0]),
        (" 1 , 0", [90.0, 10.0]),
        ("GPU-bbbb-2,GPU-aaaa-1", [90.0, 10.0]),
        ("1,7,0", [90.0]),  # CUDA too ends at the first that is no card
        ("1,-1,0", [90.0]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
    ],
)
def test_the_cards_that_cuda_would_show_are_found_in_its_order_and_closed(
    driver: Any, visible: str | None, utils: list[float]
) -> None:
    nvml = driver(recorded("two_cards"), visible)
    with opened_cards() as cards:
        assert [card.read().util_pct for card in cards] == utils
    assert nvml.num_open == 0


@pytest.mark.parametrize("nvml", [None, ReplayedNvml({"nvmlInit": REFUSED}), ReplayedNvml({})])
def test_without_library_or_driver_or_permission_there_is_no_card(driver: Any, nvml: Any) -> None:
    for visible in (None, "0"):
        driver(nvml, visible)
        assert cards_here() == []
    assert nvml is None or nvml.num_open == 0


@pytest.mark.parametrize("visible", ["0", "MIG-1234"])
def test_a_mig_instance_has_its_own_name_and_capacity(driver: Any, visible: str) -> None:
    driver(recorded("mig"), visible)
    with opened_cards() as (card,):
        assert (name_of(card), capacity_gib(card)) == ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 10.0)


def test_what_is_refused_is_no_name_and_no_capacity() -> None:
    nvml = recorded("two_cards", nvmlDeviceGetName=REFUSED, nvmlDeviceGetMemoryInfo=REFUSED)
    card = NvmlMonitor(nvml, visible="0")
    assert (name_of(card), capacity_gib(card)) == ("unnamed card", None)


def test_two_cards_are_read_as_one() -> None:
    nvml = recorded(
        "two_cards",
        nvmlDeviceGetCurrentClocksEventReasons={"a": 64, "b": 4},
        nvmlDeviceGetComputeRunningProcesses={
            "a": [{"pid": os.getpid()}, {"pid": 999999901}],
            "b": [{"pid": os.getpid()}, {"pid": 999999902}, {"pid": 999999903}],
        },
    )
    monitor = JoinedMonitor([NvmlMonitor(nvml, visible=name) for name in "01"])
    assert monitor.read() == GpuReading(
        util_pct=50.0,
        memory_gib=2.0,
        power_w=350.0,
        energy_j=1007.0,
        temperature_c=61.0,
        sm_clock_mhz=210.0,
        throttle_bits=68,
        num_others=3,
    )
    monitor.close()
    assert nvml.num_open == 0


def test_a_figure_that_one_of_two_cards_refuses_is_none() -> None:
    nvml = recorded("two_cards", nvmlDeviceGetPowerUsage={"a": 50000}, nvmlDeviceGetTemperature={"b/0": 61})
    reading = JoinedMonitor([NvmlMonitor(nvml, visible=name) for name in "01"]).read()
    assert (reading.power_w, reading.temperature_c, reading.util_pct) == (None, None, 50.0)


def process(gib: float | None, pid: int | None = None) -> dict[str, Any]:
    return {"pid": pid or os.getpid(), "usedGpuMemory": None if gib is None else int(gib * GIB)}


USED = {"a": {"series": [{"used": GIB}, {"used": 4 * GIB}]}, "b": {"used": 2 * GIB}}


@pytest.mark.parametrize(
    ("answers", "peak_gib"),
    [
        # By process: our own add up, on the card that holds most of them; others do not count.
        ({"a": [process(1.5), process(2.0), process(9.0, 999999901)], "b": [process(3.0)]}, 3.5),
        # A container tells foreign numbers, Windows no memory, a driver nothing: what the card gained counts.
        ({"a": [process(9.0, 999999901)], "b": []}, 3.0),
        ({"a": [process(None)], "b": []}, 3.0),
        (REFUSED, 3.0),
    ],
)
def test_memory_is_that_of_our_processes_else_what_the_card_gained(answers: Any, peak_gib: float) -> None:
    nvml = recorded("two_cards", nvmlDeviceGetComputeRunningProcesses=answers, nvmlDeviceGetMemoryInfo=USED)
    meter = CardMemoryMeter([NvmlMonitor(nvml, visible=name) for name in "01"], period_s=60)
    meter.reset()
    assert meter.peak_gib() == peak_gib
    meter.reset()
    meter.require_released()
    assert meter.peak_gib() == (peak_gib if answers != REFUSED and peak_gib == 3.5 else 0.0)
    meter.close()


def test_memory_that_nobody_tells_is_zero_which_stands_for_not_measured() -> None:
    nvml = recorded(
        "two_cards", nvmlDeviceGetComputeRunningProcesses=REFUSED, nvmlDeviceGetMemoryInfo=REFUSED
    )
    meter = CardMemoryMeter([NvmlMonitor(nvml, visible="0")], period_s=60)
    meter.reset()
    assert meter.peak_gib() == 0.0
    meter.close()


def test_a_peak_between_two_questions_is_seen_and_no_thread_is_left() -> None:
    answers = {"a": {"series": [[process(1.0)], [process(7.0)], [process(1.0)]]}}
    nvml = recorded("two_cards", nvmlDeviceGetComputeRunningProcesses=answers)
    meter = CardMemoryMeter([NvmlMonitor(nvml, visible="0")], period_s=0.001)
    meter.reset()
    while meter._by_process < 7.0:
        pass
    assert meter.peak_gib() == 7.0
    meter.close()
    meter.close()
    assert meter._thread is not None
    assert not meter._thread.is_alive()
