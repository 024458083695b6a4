"""Tells whether a measured epoch was disturbed by others, and says by what in words.

Knows thresholds and what the kernel counts. Does not know how the epoch's figures are used.
"""

from __future__ import annotations

import resource
import threading
from dataclasses import dataclass
from pathlib import Path

from trainables.telemetry.procfs import run_delay_s
from trainables.telemetry.sampler import GpuUsage
from trainables.telemetry.steps import StepTimes

MAX_WAIT_SHARE = 0.05
MAX_LOAD_PER_CORE = 1.25
MAX_MAD_SHARE = 0.25
MAX_THROTTLED_SHARE = 0.05
MIN_STEPS = 20
MIN_WALL_S = 0.05
"""Shorter epochs are not judged by shares: one tick of the kernel's clock is 4 ms."""

_MAX_IDLE_SHARE = 0.1
_MAX_SWITCHES_PER_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuUse:
    """Counters of the kernel so far, or their change between two readings.

    Attributes:
        run_delay_s: Seconds the calling thread was ready to run and had no core; None if not
            counted. Not of all threads: those of Ray and the sampler wait for our own training.
        num_preempted: Involuntary context switches of the process.
    """

    run_delay_s: float | None
    num_preempted: int

    @classmethod
    def now(cls, tasks: Path = Path("/proc/self/task")) -> CpuUse:
        """Reads the counters."""
        return cls(
            run_delay_s=run_delay_s(tasks / str(threading.get_native_id())),
            num_preempted=resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
        )

    def since(self, before: CpuUse) -> CpuUse:
        """Returns the change since an earlier reading."""
        delay = None
        if self.run_delay_s is not None and before.run_delay_s is not None:
            delay = self.run_delay_s - before.run_delay_s
        return CpuUse(run_delay_s=delay, num_preempted=self.num_preempted - before.num_preempted)


def judge(
    *,
    wall_s: float,
    cpu_s: float,
    cpu: CpuUse,
    load_average: float,
    num_cores: int,
    steps: StepTimes,
    gpu: GpuUsage,
) -> str:
    """Returns why an epoch's times cannot be trusted; "" if nothing speaks against them."""
    found = [*_on_the_card(gpu), *_for_the_cores(wall_s, cpu_s, cpu)]
    if load_average > MAX_LOAD_PER_CORE * num_cores:
        found.append(f"load average {load_average:.1f} on {num_cores} cores")
    if steps.median_s and steps.mad_s is not None and steps.num_steps >= MIN_STEPS:
        share = steps.mad_s / steps.median_s
        if share > MAX_MAD_SHARE:
            found.append(f"step times scatter by {100 * share:.0f} % of their median")
    return "; ".join(found)


def _on_the_card(gpu: GpuUsage) -> list[str]:
    found = []
    others = gpu.highest("num_others")
    if others:
        found.append(f"{others:.0f} other process(es) on the card")
    for words, number in gpu.throttled.items():
        share = number / gpu.num_readings
        if share > MAX_THROTTLED_SHARE:
            found.append(f"clocks throttled ({words}) in {100 * share:.0f} % of the readings")
    return found


def _for_the_cores(wall_s: float, cpu_s: float, cpu: CpuUse) -> list[str]:
    """Judges waits for a core, which are not idling: a stage may sleep, but a preempted one was disturbed."""
    if wall_s < MIN_WALL_S:
        return []
    if cpu.run_delay_s is not None:
        share = cpu.run_delay_s / wall_s
        return [f"waited for a core {100 * share:.0f} % of the time"] if share > MAX_WAIT_SHARE else []
    idle = 1.0 - cpu_s / wall_s
    rate = cpu.num_preempted / wall_s
    if idle > _MAX_IDLE_SHARE and rate > _MAX_SWITCHES_PER_S:
        return [f"had a core {100 * (1 - idle):.0f} % of the time, preempted {rate:.0f} times a second"]
    return []
