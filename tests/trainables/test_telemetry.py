"""Steps, contention, counts and memory of the watching itself, through MeasuredTrainable."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.fresh import PROCESSES
from trainables.base import MeasuredTrainable
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.stage import ConsistencyStage
from trainables.telemetry.contention import CpuUse, judge
from trainables.telemetry.gpu import NvmlMonitor, ReplayedNvml
from trainables.telemetry.memory import CudaMemoryMeter
from trainables.telemetry.sampler import GpuUsage
from trainables.telemetry.steps import StepTimer, StepTimes, median_and_mad
from trainables.trial import EpochCounts

TWO_CARDS = Path(__file__).parent / "nvml" / "two_cards.json"


class CountingStage(MeasuredTrainable):
    """Computes ``spin_s``, marks ``steps`` steps; cheats by ``missing`` of them from epoch 2 on."""

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        self.steps, self.missing = params.get("steps", 0), params.get("missing", 0)
        self.spin_s = params.get("spin_s", 0.0)

    def warm_up(self) -> None:
        pass

    def train_epoch(self, epoch: int) -> EpochCounts:
        done = self.steps - (self.missing if epoch > 1 else 0)
        stop = time.thread_time() + self.spin_s
        while time.thread_time() < stop:
            pass
        with self.step_timer.data_wait():
            pass
        for _ in range(done):
            self.step_timer.mark()
        return EpochCounts(num_chunks=done, num_optimizer_steps=done, loss=1.0)

    def expected_counts(self, epoch: int) -> EpochCounts:
        return EpochCounts(num_chunks=self.steps, num_optimizer_steps=self.steps)

    def evaluate(self) -> dict[str, float]:
        return {"nrmse": 1.0}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def release(self) -> None:
        pass


def config(num_epochs: int = 3, **params: Any) -> dict[str, Any]:
    return {"params": params, "num_epochs": num_epochs}


def test_a_stage_that_skips_work_is_an_error_with_both_numbers() -> None:
    stage = CountingStage(config=config(steps=5, missing=1))
    stage.step()
    with pytest.raises(RuntimeError, match=r"epoch 2 executed num_chunks=4, but its cost mathematics says 5"):
        stage.step()


def test_a_chunk_that_the_bundled_stage_skips_is_an_error(
    trial: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same holds after running out of memory: it cannot pass for a fast epoch."""
    stage, calls = ConsistencyStage(config=trial()), []
    real = DistillationEngine.backward_chunk

    def skipping(engine: DistillationEngine, data: Any, start: int) -> Any:
        calls.append(start)
        return 0.0 if len(calls) == 3 else real(engine, data, start)

    monkeypatch.setattr(DistillationEngine, "backward_chunk", skipping)
    with pytest.raises(RuntimeError, match=r"num_chunks=19, but its cost mathematics says 20"):
        stage.step()


def test_marked_steps_and_waits_are_reported_and_what_is_not_measured_is_none() -> None:
    result = CountingStage(config=config(steps=5)).step()
    assert result["step_time_median_s"] > 0.0
    assert result["step_time_mad_s"] >= 0.0
    assert 0.0 < result["data_wait_s"] < result["time_s"]
    assert 0.0 <= result["data_wait_cpu_s"] <= result["cpu_time_s"]
    for key in ("peak_reserved_gib", "num_alloc_retries", "gpu_util_pct", "power_w", "energy_j",
                "temperature_c", "sm_clock_mhz", "gpu_memory_gib"):  # fmt: skip
        assert result[key] is None
    assert CountingStage(config=config()).step()["step_time_median_s"] is None


def test_a_cards_figures_reach_the_result_and_survive_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch, checkpoint_dir: str
) -> None:
    nvml = ReplayedNvml.load(TWO_CARDS)
    monkeypatch.setattr(
        "trainables.telemetry.instruments.gpu_monitor", lambda kind: NvmlMonitor(nvml, visible="1")
    )
    stage = CountingStage(config=config(spin_s=0.2))  # longer than the period of NVML's utilisation
    stage.step()
    result = stage.step()
    assert result["energy_j"] == 600.0
    assert (result["power_w"], result["temperature_c"], result["gpu_util_pct"]) == (300.0, 61.0, 90.0)
    assert result["contended"] is True
    assert "1 other process(es) on the card" in result["contended_reason"]
    stage.save(checkpoint_dir)
    assert stage.step()["checkpoint_time_s"] > result["checkpoint_time_s"] == 0.0
    resumed = CountingStage(config=config())
    resumed.restore(checkpoint_dir)
    assert resumed.step()["energy_j"] == 600.0
    stage.stop()
    resumed.stop()
    assert nvml.num_open == 0


@pytest.mark.parametrize(
    ("recording", "changes", "reason"),
    [
        ("mig", {}, "clocks throttled (hardware thermal slowdown) in 100 % of the readings"),
        (
            "two_cards",
            {"nvmlDeviceGetComputeRunningProcesses": {"a": [{"pid": 999999901}, {"pid": 999999902}]}},
            "1 other process(es) on the card",
        ),
    ],
)
def test_a_throttled_or_shared_card_marks_the_trial_and_says_why(
    monkeypatch: pytest.MonkeyPatch, recording: str, changes: dict[str, Any], reason: str
) -> None:
    answers = json.loads((TWO_CARDS.parent / f"{recording}.json").read_text()) | changes
    monkeypatch.setattr(
        "trainables.telemetry.instruments.gpu_monitor",
        lambda kind: NvmlMonitor(ReplayedNvml(answers), visible="0"),
    )
    stage = CountingStage(config=config())
    result = stage.step()
    stage.stop()
    assert result["contended"] is True
    assert reason in result["contended_reason"]


def quiet(**changes: Any) -> str:
    evidence = {
        "wall_s": 1.0, "cpu_s": 1.0, "cpu": CpuUse(run_delay_s=0.0, num_preempted=0), "load_average": 1.0,
        "num_cores": 2, "steps": StepTimes(num_steps=50, median_s=0.01, mad_s=0.001), "gpu": GpuUsage(),
    }  # fmt: skip
    return judge(**evidence | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu": CpuUse(run_delay_s=0.2, num_preempted=0)}, "waited for a core 20 % of the time"),
        ({"cpu": CpuUse(run_delay_s=None, num_preempted=99), "cpu_s": 0.5}, "had a core 50 % of the time"),
        ({"load_average": 3.4}, "load average 3.4 on 2 cores"),
        ({"steps": StepTimes(num_steps=50, median_s=0.01, mad_s=0.004)}, "scatter by 40 %"),
        (
            {"gpu": GpuUsage(num_readings=4, throttled={"power brake": 1})},
            r"throttled \(power brake\) in 25 %",
        ),
    ],
)
def test_each_disturbance_is_named(changes: dict[str, Any], words: str) -> None:
    assert re.search(words, quiet(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cpu_s": 0.0},  # sleeping is not waiting for a core
        {"cpu": CpuUse(run_delay_s=None, num_preempted=0), "cpu_s": 0.0},
        {"wall_s": 0.01, "cpu": CpuUse(run_delay_s=0.004, num_preempted=1)},
        {"steps": StepTimes(num_steps=5, median_s=0.01, mad_s=0.009)},
    ],
)
def test_a_quiet_epoch_is_not_contended(changes: dict[str, Any]) -> None:
    assert quiet(**changes) == ""


@pytest.mark.skipif(CpuUse.now().run_delay_s is None, reason="this kernel does not count run delays")
def test_sharing_a_core_is_noticed_and_named() -> None:
    """Another process on the same core takes about half of it."""
    stage = CountingStage(config=config(spin_s=0.3))
    code = (
        f"import os; os.sched_setaffinity(0, {os.sched_getaffinity(0)}); print(flush=True)\nwhile True: pass"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        result = stage.step()
        other.kill()
    stage.stop()
    assert result["contended"] is True
    share = re.search(r"waited for a core (\d+) % of the time", result["contended_reason"])
    assert share is not None
    assert int(share[1]) > 20
    assert result["cpu_time_s"] < 0.9 * result["time_s"]


def test_without_schedstat_the_run_delay_is_unknown(tmp_path: Path) -> None:
    now = CpuUse.now(tmp_path)
    assert now.run_delay_s is None
    assert CpuUse.now().since(now).run_delay_s is None


def test_median_and_mad_are_those_of_the_definition() -> None:
    assert median_and_mad([1.0, 1.0, 2.0, 4.0, 100.0]) == (2.0, 1.0)


def test_events_are_used_again_and_read_after_the_epoch() -> None:
    """A stand-in for CUDA events: milliseconds of a stream's own clock."""
    clock = iter(range(100))
    made: list[Any] = []

    class Event:
        def __init__(self) -> None:
            made.append(self)

        def record(self) -> None:
            self.at = 2 * next(clock)

        def elapsed_time(self, other: "Event") -> float:
            return float(other.at - self.at)

    timer = StepTimer(Event)
    for _ in range(3):
        timer.start()
        for _ in range(4):
            timer.mark()
        times = timer.finish()
        assert (times.num_steps, times.median_s, times.mad_s) == (4, 0.002, 0.0)
    assert len(made) == 5


def test_reserved_memory_and_retries_are_of_this_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = {"num_alloc_retries": 3}
    for name in ("memory_allocated", "max_memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, lambda: 2**31)
    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda: dict(stats))
    meter = CudaMemoryMeter()
    meter.reset()
    stats["num_alloc_retries"] = 5
    assert (meter.peak_reserved_gib(), meter.num_alloc_retries()) == (2.0, 2)


def test_a_thousand_epochs_leak_nothing() -> None:
    """It runs in a process of its own, whose allocator nobody else has used."""
    process = PROCESSES.Process(target=train_a_thousand_epochs)
    process.start()
    process.join()
    assert process.exitcode == 0


def train_a_thousand_epochs() -> None:
    """Trains with a card that is sampled in a thread each epoch; the first 200 epochs fill caches."""
    nvml = ReplayedNvml.load(TWO_CARDS)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(
            "trainables.telemetry.instruments.gpu_monitor", lambda kind: NvmlMonitor(nvml, visible="1")
        )
        stage = CountingStage(config=config(num_epochs=1200, steps=50))
    for _ in range(200):
        stage.step()
    before, threads = resident_kib(), threading.active_count()
    for _ in range(1000):
        stage.step()
    assert resident_kib() - before < 1024  # 1 KiB an epoch
    assert threading.active_count() == threads
    stage.stop()


def resident_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
