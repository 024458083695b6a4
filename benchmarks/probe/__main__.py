"""Compares the probe's predictions of epoch time and memory with real epochs, on the lattice of a study.

    python -m benchmarks.probe                    # cpu.yaml's, every point: half an hour
    python -m benchmarks.probe --points 12        # a random sample
    python -m benchmarks.probe --quick            # 3 of them in half a minute
    python -m benchmarks.probe --space h100.yaml  # another study's, on the device that it gets

A shared machine's core can change its speed by half from one second to the next. A prediction made some
seconds before an epoch is then off by that much, however good the probe is. So on a CPU both happen at once:
a second process trains first epochs of the configuration on the core that the probe runs on. The kernel gives
each process a few milliseconds in turn, and each is timed by the seconds it had the core. This goes on until
there are two predictions and two epochs, and the script compares their means. A card cannot be shared like
this, so there they take turns. The script also prints the error of the first prediction against the first
epoch, and fits the cost law t = a steps + b launches + c rows for comparison. The last line is one line of
JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from benchmarks.probe.first_epochs import Epoch, FirstEpochs, first_epoch
from benchmarks.training.cost_law import CostLaw, Floats, errors_pct
from benchmarks.training.runs import Runs
from trainables.consistency.stage import ConsistencyStage
from trainables.probe import ProbeResult, probe
from tuner.core.config import TrialConfig
from tuner.core.study import StudySpec
from tuner.core.workload import Workload
from tuner.spec import load_study

MIN_REPEATS = 2
"""Each configuration gets at least this many predictions, and as many epochs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A prediction of the probe.

    Attributes:
        result: Complete result of the probe.
        took_s: Seconds that probing took. When an epoch ran beside it, about half of them are the epoch's.
    """

    result: ProbeResult
    took_s: float

    @property
    def epoch_s(self) -> float:
        """The predicted seconds of an epoch."""
        return self.result["epoch_time_s"]


@dataclass(slots=True, kw_only=True)
class Comparison:
    """The predictions and the measured epochs of one configuration.

    Attributes:
        config: Configuration that is compared.
        predictions: Predictions in the order in which they were made.
        epochs: First epochs in the order in which they ended.
    """

    config: TrialConfig
    predictions: list[Prediction] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def is_enough(self) -> bool:
        """Whether there are enough predictions and enough epochs."""
        return min(len(self.predictions), len(self.epochs)) >= MIN_REPEATS

    @property
    def predicted_s(self) -> float:
        """The mean of the predicted seconds of an epoch."""
        return float(np.mean([prediction.epoch_s for prediction in self.predictions]))

    @property
    def epoch_s(self) -> float:
        """The mean of the measured seconds of an epoch."""
        return float(np.mean([epoch.own_s for epoch in self.epochs]))

    @property
    def error_pct(self) -> float:
        """The error of the mean prediction, in percent of the mean measured epoch."""
        return float(errors_pct([self.predicted_s], [self.epoch_s])[0])

    @property
    def first_error_pct(self) -> float:
        """The error of the first prediction, in percent of the first measured epoch."""
        return float(errors_pct([self.predictions[0].epoch_s], [self.epochs[0].own_s])[0])

    @property
    def predicted_gib(self) -> float:
        """The highest peak memory that was predicted, in GiB."""
        return max(prediction.result["peak_memory_gib"] for prediction in self.predictions)

    @property
    def peak_gib(self) -> float:
        """The highest peak memory that was measured, in GiB."""
        return max(epoch.peak_gib for epoch in self.epochs)


def main() -> None:
    """Probes and measures, and prints the table and the summary."""
    arguments = _arguments()
    study = load_study(arguments.space)
    configs = _sampled(list(study.lattice), 3 if arguments.quick else arguments.points, arguments.seed)
    ConsistencyStage.prepare(study.stage.options)
    on_card = ConsistencyStage.device_kind(study.stage.options) != "cpu"
    budget_s = 0.4 if arguments.quick else 1.0
    with nullcontext() if on_card else FirstEpochs(study) as epochs:
        compared = [_compared(study, config, budget_s, epochs) for config in configs]
    _print_table(compared)
    _print_cost_law(compared, study.stage.num_samples)
    _print_memory(compared)
    print(f"First predictions, against first epochs: {_of_errors([c.first_error_pct for c in compared])}.")
    errors = [comparison.error_pct for comparison in compared]
    print(f"The means: bias {np.median(errors):+.1f} %; {_of_errors(errors)}.")
    summary = {
        "median_error_pct": float(np.median(np.abs(errors))),
        "max_error_pct": float(np.abs(errors).max()),
        "seconds_per_config": float(np.mean([p.took_s for c in compared for p in c.predictions])),
    }
    print(json.dumps({name: round(value, 2) for name, value in summary.items()}))


def _sampled(configs: Sequence[TrialConfig], num: int | None, seed: int) -> list[TrialConfig]:
    """Draws ``num`` of the configurations at random and keeps their order; None takes all."""
    if num is None or num >= len(configs):
        return list(configs)
    chosen = np.random.default_rng(seed).choice(len(configs), num, replace=False)
    return [configs[i] for i in sorted(chosen)]


def _compared(
    study: StudySpec, config: TrialConfig, budget_s: float, epochs: FirstEpochs | None
) -> Comparison:
    """Predicts while the other process trains, both on the core that trials pin themselves to.

    Without the other process, prediction and training take turns.
    """
    found = Comparison(config=config)
    if epochs is None:
        runs = Runs(ConsistencyStage, study.stage.options, study.resources.threads)
        while not found.is_enough:
            found.predictions.append(_probed(study, config, budget_s))
            found.epochs.append(first_epoch(runs, study, config))
            runs.stop()
        return found
    epochs.begin(config)
    while not found.is_enough:
        found.predictions.append(_probed(study, config, budget_s))
        found.epochs += epochs.finished()
    epochs.end()
    return found


def _probed(study: StudySpec, config: TrialConfig, budget_s: float) -> Prediction:
    begin = time.perf_counter()
    (result,) = probe(
        ConsistencyStage,
        [config.as_dict()],
        study.stage.options,
        num_threads=study.resources.threads,
        budget_s_per_config=budget_s,
    )
    return Prediction(result=result, took_s=time.perf_counter() - begin)


def _print_table(compared: Sequence[Comparison]) -> None:
    print(
        "| batch, micro, taus, accum | steps timed | predictions | epochs | predicted s | epoch s | error % "
        "| first | predicted GiB | GiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for c in compared:
        cells = [
            f"{c.config.batch_size}, {c.config.micro_batch}, {c.config.num_taus}, {c.config.accum_steps}",
            str(c.predictions[0].result["num_steps_timed"]),
            str(len(c.predictions)),
            str(len(c.epochs)),
            f"{c.predicted_s:.3f}",
            f"{c.epoch_s:.3f}",
            f"{c.error_pct:+.1f}",
            f"{c.first_error_pct:+.1f}",
            f"{c.predicted_gib:.3f}",
            f"{c.peak_gib:.3f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _print_cost_law(compared: Sequence[Comparison], num_samples: int) -> None:
    """Prints the errors of the cost law, fitted to all measured epochs and fitted to five probes."""
    work = [Workload(config=c.config, num_samples=num_samples) for c in compared]
    measured = np.array([c.epoch_s for c in compared])
    law = CostLaw.fit(work, measured)
    print(f"Cost law, fitted to every measured epoch: {law}; {_of_errors(_off(law, work, measured))}.")
    five = np.linspace(0, len(work) - 1, 5).astype(int)
    law = CostLaw.fit([work[i] for i in five], np.array([compared[i].predicted_s for i in five]))
    print(f"Cost law, fitted to five probes: {law}; {_of_errors(_off(law, work, measured))}.")


def _off(law: CostLaw, work: Sequence[Workload], measured: Floats) -> Floats:
    return errors_pct(law.predict(work), measured)


def _of_errors(errors: Sequence[float] | Floats) -> str:
    sizes = np.abs(errors)
    return f"error {np.median(sizes):.1f} % in the median, {sizes.max():.1f} % at most"


def _print_memory(compared: Sequence[Comparison]) -> None:
    """Prints the errors of predicted peak memory. On a CPU the peak is the process's and hardly varies."""
    errors = 1024 * np.array([c.predicted_gib - c.peak_gib for c in compared])
    peaks = 1024 * np.array([c.peak_gib for c in compared])
    print(
        f"Peak memory: predicted {np.median(errors):+.0f} MiB in the median, {np.abs(errors).max():.0f} "
        f"MiB off at most; measured {peaks.min():.0f} to {peaks.max():.0f} MiB."
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.probe", description="Predicted against measured epoch time of a study."
    )
    parser.add_argument("--space", default="cpu.yaml", metavar="FILE", help="the study (default: cpu.yaml)")
    parser.add_argument("--quick", action="store_true", help="a random sample of 3 points")
    parser.add_argument("--points", type=int, help="a random sample of so many points (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample of points")
    return parser.parse_args()


if __name__ == "__main__":
    main()
