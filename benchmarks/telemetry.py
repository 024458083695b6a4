"""Measures what watching a training costs: per epoch, per marked step, and as a share of the training time.

    python -m benchmarks.telemetry [--quick]

If there is no card, the script stands one in that takes ``ASSUMED_READ_S`` for each reading. The last line is
one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from trainables.telemetry.clock import PhaseClock
from trainables.telemetry.gpu import GpuMonitor, GpuReading, NullMonitor, NvmlMonitor, gpu_monitor
from trainables.telemetry.steps import StepTimer
from trainables.telemetry.watch import TrialWatch

ASSUMED_READ_S = 0.002
"""Assumed seconds of one reading of a card (about ten calls of its driver); not measured here."""


class DelayedMonitor(GpuMonitor):
    """A stand-in for a card whose driver keeps a core busy during a reading and always says the same."""

    def read(self) -> GpuReading:
        spin(ASSUMED_READ_S)
        return GpuReading(util_pct=50.0, power_w=200.0, energy_j=1.0)

    def close(self) -> None:
        pass


def spin(seconds: float) -> None:
    """Keeps this thread busy for some seconds."""
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        pass


def mark_s(repeats: int) -> float:
    """Returns the wall-clock seconds that marking one step takes."""
    timer = StepTimer()
    timer.start()
    begin = time.perf_counter()
    for _ in range(repeats):
        timer.mark()
    return (time.perf_counter() - begin) / repeats


def epoch_s(monitor: GpuMonitor, repeats: int) -> float:
    """Returns the median seconds that watching an empty epoch takes; none of them count in ``time_s``."""
    watch, clock, seconds = TrialWatch(monitor), PhaseClock(lambda: None), []
    for _ in range(repeats):
        begin = time.perf_counter()
        with watch.epoch(clock):
            pass
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def sampler_pct(monitor: GpuMonitor, rounds: int, span_s: float) -> float:
    """Returns the CPU time of the sampler's thread in percent of the training time.

    It is the process's CPU time without that of the busy training thread. Unlike a race of two loops, it does
    not depend on other load on the machine.
    """
    shares = []
    for _ in range(rounds):
        watch, clock = TrialWatch(monitor), PhaseClock(lambda: None)
        with watch.epoch(clock):
            process, thread = time.process_time(), time.thread_time()
            spin(span_s)
            thread, process = time.thread_time() - thread, time.process_time() - process
        shares.append(100.0 * max(0.0, process - thread) / clock.last("train").wall_s)
    return statistics.median(shares)


def main() -> None:
    """Measures the costs, and prints them and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, about 5 s")
    quick = parser.parse_args().quick
    found = gpu_monitor("cuda")
    is_real = isinstance(found, NvmlMonitor)
    card = found if is_real else DelayedMonitor()
    result = {
        "mark_us": 1e6 * mark_s(100_000),
        "epoch_without_card_us": 1e6 * epoch_s(NullMonitor(), 200 if quick else 2000),
        "epoch_with_card_us": 1e6 * epoch_s(card, 50 if quick else 300),
        "sampler_overhead_pct": sampler_pct(card, 3 if quick else 10, 1.0 if quick else 4.0),
        "load_average": float(Path("/proc/loadavg").read_text().split()[0]),
    }
    for name, value in result.items():
        print(f"{name:24} {value:10.3f}")
    print(json.dumps({k: round(v, 4) for k, v in result.items()} | {"card": is_real}))


if __name__ == "__main__":
    main()
