"""Predicted against measured epoch time and memory: the probe on the lattice of a study.

    python -m benchmarks.probe                    # cpu.yaml's, every point: 12 minutes
    python -m benchmarks.probe --points 12        # a random sample
    python -m benchmarks.probe --quick            # 5 of them in under a minute
    python -m benchmarks.probe --space h100.yaml  # another study's, on the device that it gets

It probes two configurations at a time. Each lot is then trained: two first epochs of each, more of those
whose two least disagree; the least counts. So prediction and measurement are seconds apart, and what the
machine's own speed drifts by from minute to minute (up to 14 % was seen) is left out of the comparison: the
errors are the probe's own. The cost law t = a steps + b launches + c rows is fitted for comparison.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.cost_law import CostLaw, Floats, errors_pct
from benchmarks.runs import Runs
from trainables.consistency.stage import ConsistencyStage
from trainables.probe import MAX_SPREAD, ProbeResult, probe
from tuner.core.config import TrialConfig
from tuner.core.workload import Workload
from tuner.spec import StudySpec, load_study

LOT = 2
"""Configurations that are probed and then trained: few, so that the machine is the same for both."""
MAX_EPOCHS = 6


@dataclass(slots=True, kw_only=True)
class Measured:
    """Real first epochs of a configuration.

    Attributes:
        on_card: Whether a card trains, and not a CPU.
        cpu_s: Process CPU seconds of each: on one thread of a CPU, where training neither sleeps nor waits,
            what the wall clock would show had nobody else used the core.
        wall_s: Synchronised wall seconds of each.
        peak_gib: Peak memory of each.
    """

    on_card: bool
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    peak_gib: list[float] = field(default_factory=list)

    @property
    def undisturbed_s(self) -> Sequence[float]:
        """What each took as far as others had no part in it."""
        return self.wall_s if self.on_card else self.cpu_s

    @property
    def is_settled(self) -> bool:
        """Whether the two least agree as the probe's rounds must, or there are enough."""
        first, second = sorted(self.undisturbed_s)[:2]
        return second <= (1 + MAX_SPREAD) * first or len(self.wall_s) == MAX_EPOCHS

    @property
    def epoch_s(self) -> float:
        """The least."""
        return min(self.undisturbed_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One configuration, predicted and measured.

    Attributes:
        config: The configuration.
        predicted: What the probe says.
        measured: What real epochs took.
    """

    config: TrialConfig
    predicted: ProbeResult
    measured: Measured

    @property
    def error_pct(self) -> float:
        """Of the epoch's time, against what an undisturbed one takes."""
        return float(errors_pct([self.predicted["epoch_time_s"]], [self.measured.epoch_s])[0])

    @property
    def memory_error_gib(self) -> float:
        """Of the peak, against the highest measured."""
        return self.predicted["peak_memory_gib"] - max(self.measured.peak_gib)


def main() -> None:
    """Probes, measures, prints the table and the summary."""
    arguments = _arguments()
    study = load_study(arguments.space)
    configs = _sampled(list(study.lattice), 5 if arguments.quick else arguments.points, arguments.seed)
    ConsistencyStage.prepare(study.stage.options)
    comparisons, probing_s = [], 0.0
    for first in range(0, len(configs), LOT):
        lot = configs[first : first + LOT]
        begin = time.perf_counter()
        predicted = _probed(study, lot, 0.4 if arguments.quick else 1.0)
        probing_s += time.perf_counter() - begin
        comparisons += [
            Comparison(config=c, predicted=p, measured=m)
            for c, p, m in zip(lot, predicted, _measured(study, lot), strict=True)
        ]
    _print_table(comparisons)
    _print_cost_law(comparisons, study.stage.num_samples)
    _print_memory(comparisons)
    errors = np.abs([comparison.error_pct for comparison in comparisons])
    summary = {
        "median_error_pct": float(np.median(errors)),
        "max_error_pct": float(errors.max()),
        "seconds_per_config": probing_s / len(configs),
    }
    print(json.dumps({name: round(value, 2) for name, value in summary.items()}))


def _sampled(configs: Sequence[TrialConfig], num: int | None, seed: int) -> list[TrialConfig]:
    """``num`` of the configurations at random, in their order; all for None."""
    if num is None or num >= len(configs):
        return list(configs)
    chosen = np.random.default_rng(seed).choice(len(configs), num, replace=False)
    return [configs[i] for i in sorted(chosen)]


def _probed(study: StudySpec, configs: Sequence[TrialConfig], budget_s: float) -> list[ProbeResult]:
    return probe(
        ConsistencyStage,
        [config.as_dict() for config in configs],
        study.stage.options,
        num_threads=study.resources.threads,
        budget_s_per_config=budget_s,
    )


def _measured(study: StudySpec, configs: Sequence[TrialConfig]) -> list[Measured]:
    """Rounds over all that are not settled, in alternating order."""
    runs = Runs(ConsistencyStage, study.stage.options, study.resources.threads)
    on_card = ConsistencyStage.device_kind(study.stage.options) != "cpu"
    found = [Measured(on_card=on_card) for _ in configs]
    for number in range(MAX_EPOCHS):
        left = [i for i, m in enumerate(found) if number < 2 or not m.is_settled]
        for i in left if number % 2 == 0 else reversed(left):
            params, epochs = configs[i].as_dict(), study.stage.num_epochs
            result = runs.train(params, seed=study.seed, num_epochs=epochs, stop_after=1)[0]
            found[i].cpu_s.append(result["cpu_time_s"])
            found[i].wall_s.append(result["time_s"])
            found[i].peak_gib.append(result["peak_memory_gib"])
    runs.stop()
    return found


def _print_table(comparisons: Sequence[Comparison]) -> None:
    print(
        "| batch, micro, taus, accum | steps timed | spread | predicted s | CPU s | wall s | error % "
        "| predicted GiB | GiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for c in comparisons:
        cells = [
            f"{c.config.batch_size}, {c.config.micro_batch}, {c.config.num_taus}, {c.config.accum_steps}",
            str(c.predicted["num_steps_timed"]),
            f"{c.predicted['spread']:.2f}",
            f"{c.predicted['epoch_time_s']:.3f}",
            f"{min(c.measured.cpu_s):.3f}",
            f"{min(c.measured.wall_s):.3f}",
            f"{c.error_pct:+.1f}",
            f"{c.predicted['peak_memory_gib']:.3f}",
            f"{max(c.measured.peak_gib):.3f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _print_cost_law(comparisons: Sequence[Comparison], num_samples: int) -> None:
    """How well the law does: fitted to all that was measured, and fitted to five probes."""
    work = [Workload(config=c.config, num_samples=num_samples) for c in comparisons]
    measured = np.array([c.measured.epoch_s for c in comparisons])
    probed = np.array([c.predicted["epoch_time_s"] for c in comparisons])
    law = CostLaw.fit(work, measured)
    print(f"Cost law, fitted to every measured epoch: {law}; {_errors(law.predict(work), measured)}.")
    five = np.linspace(0, len(work) - 1, 5).astype(int)
    law = CostLaw.fit([work[i] for i in five], probed[five])
    print(f"Cost law, fitted to five probes: {law}; {_errors(law.predict(work), measured)}.")
    print(f"Probe: bias {np.median(errors_pct(probed, measured)):+.1f} %; {_errors(probed, measured)}.")


def _errors(predicted: Floats, measured: Floats) -> str:
    errors = np.abs(errors_pct(predicted, measured))
    return f"error {np.median(errors):.1f} % in the median, {errors.max():.1f} % at most"


def _print_memory(comparisons: Sequence[Comparison]) -> None:
    """On a CPU the peak is the process's, and the configurations hardly differ in it."""
    errors = 1024 * np.array([c.memory_error_gib for c in comparisons])
    peaks = 1024 * np.array([max(c.measured.peak_gib) for c in comparisons])
    print(
        f"Peak memory: predicted {np.median(errors):+.0f} MiB in the median, {np.abs(errors).max():.0f} "
        f"MiB off at most; measured {peaks.min():.0f} to {peaks.max():.0f} MiB."
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Predicted against measured epoch time of a study.")
    parser.add_argument("--space", default="cpu.yaml", metavar="FILE", help="the study (default: cpu.yaml)")
    parser.add_argument("--quick", action="store_true", help="a random sample of 5 points")
    parser.add_argument("--points", type=int, help="a random sample of so many points (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample of points")
    return parser.parse_args()


if __name__ == "__main__":
    main()
