"""Predicted against measured epoch time: the probe on the lattice of search_spaces/cpu.yaml.

    python -m benchmarks.probe            # every point, a few real epochs each; about 20 minutes
    python -m benchmarks.probe --quick    # a sample in under a minute

All points are probed in rounds, then trained in rounds; of both the least counts. The cost law
t = a steps + b launches + c rows is fitted for comparison.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.cost_law import CostLaw, Floats, errors_pct
from benchmarks.runs import EpochTime, Runs, time_epochs
from trainables.consistency.stage import ConsistencyStage
from trainables.probe import ProbeResult, probe
from tuner.core.config import TrialConfig
from tuner.core.workload import Workload
from tuner.spec import StudySpec, load_study


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
    measured: EpochTime

    @property
    def error_pct(self) -> float:
        """Against what an undisturbed epoch takes (CPU seconds: see ``EpochTime``)."""
        return float(errors_pct([self.predicted["epoch_time_s"]], [self.measured.cpu_s])[0])


def main() -> None:
    """Probes, measures, prints the table and the summary."""
    arguments = _arguments()
    study = load_study("cpu.yaml")
    configs = _sampled(list(study.lattice), 5 if arguments.quick else arguments.points, arguments.seed)
    rounds, budget_s = (2, 0.4) if arguments.quick else (arguments.rounds, 1.0)
    ConsistencyStage.prepare(study.stage.options)
    comparisons = _compared(study, configs, rounds, budget_s)
    _print_table(comparisons)
    _print_cost_law(comparisons, study.stage.num_samples)
    errors = np.abs([comparison.error_pct for comparison in comparisons])
    print(
        json.dumps({"median_error_pct": _rounded(np.median(errors)), "max_error_pct": _rounded(errors.max())})
    )


def _sampled(configs: Sequence[TrialConfig], num: int | None, seed: int) -> list[TrialConfig]:
    """``num`` of the configurations at random, in their order; all for None."""
    if num is None or num >= len(configs):
        return list(configs)
    chosen = np.random.default_rng(seed).choice(len(configs), num, replace=False)
    return [configs[i] for i in sorted(chosen)]


def _compared(
    study: StudySpec, configs: Sequence[TrialConfig], rounds: int, budget_s: float
) -> list[Comparison]:
    """All are probed, then all are trained, both in rounds."""
    start = time.perf_counter()
    predicted = _probed(study, configs, budget_s)
    seconds = (time.perf_counter() - start) / len(configs)
    print(f"Probing took {seconds:.2f} s per configuration.")
    measured = _measured(study, configs, rounds)
    return [
        Comparison(config=c, predicted=p, measured=m)
        for c, p, m in zip(configs, predicted, measured, strict=True)
    ]


def _probed(study: StudySpec, configs: Sequence[TrialConfig], budget_s: float) -> list[ProbeResult]:
    return probe(
        ConsistencyStage,
        [config.as_dict() for config in configs],
        study.stage.options,
        num_threads=study.resources.threads,
        budget_s_per_config=budget_s,
    )


def _measured(study: StudySpec, configs: Sequence[TrialConfig], rounds: int) -> list[EpochTime]:
    runs = Runs(ConsistencyStage, study.stage.options, study.resources.threads)
    params = [config.as_dict() for config in configs]
    times = time_epochs(runs, params, num_epochs=study.stage.num_epochs, rounds=rounds)
    runs.stop()
    return times


def _print_table(comparisons: Sequence[Comparison]) -> None:
    print(
        "| batch, micro, taus, accum | steps timed | spread | predicted s | CPU s | wall s | error % | GiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for c in comparisons:
        cells = [
            f"{c.config.batch_size}, {c.config.micro_batch}, {c.config.num_taus}, {c.config.accum_steps}",
            str(c.predicted["num_steps_timed"]),
            f"{c.predicted['spread']:.2f}",
            f"{c.predicted['epoch_time_s']:.3f}",
            f"{c.measured.cpu_s:.3f}",
            f"{c.measured.wall_s:.3f}",
            f"{c.error_pct:+.1f}",
            f"{c.predicted['peak_memory_gib']:.3f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _print_cost_law(comparisons: Sequence[Comparison], num_samples: int) -> None:
    """How well the law does: fitted to all that was measured, and fitted to five probes."""
    work = [Workload(config=c.config, num_samples=num_samples) for c in comparisons]
    measured = np.array([c.measured.cpu_s for c in comparisons])
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


def _rounded(value: float) -> float:
    return round(float(value), 2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Predicted against measured epoch time on cpu.yaml.")
    parser.add_argument("--quick", action="store_true", help="a random sample of 5 points")
    parser.add_argument("--points", type=int, help="a random sample of so many points (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="real epochs of each point (default 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample of points")
    return parser.parse_args()


if __name__ == "__main__":
    main()
