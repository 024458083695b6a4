"""Predicted against measured epoch time and memory: the probe on the lattice of a study.

    python -m benchmarks.probe                    # cpu.yaml's, every point: 45 minutes
    python -m benchmarks.probe --points 12        # a random sample
    python -m benchmarks.probe --quick            # 5 of them in under a minute
    python -m benchmarks.probe --space h100.yaml  # another study's, on the device that it gets

Each configuration is probed and then trained for its first epoch, in turns, until the two least predictions
agree and the two least epochs do, or there are six pairs. The least of each are compared: a shared machine's
speed changes by half from one second to the next, so both have had the same chances of an undisturbed one.
The errors of each configuration's first pair, the machine's whims included, are printed beside them: that is
what one probe is worth there and then. The cost law t = a steps + b launches + c rows is fitted for
comparison.
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

MAX_PAIRS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A prediction and a real first epoch, one right after the other.

    Attributes:
        predicted: What the probe says.
        epoch_s: What the epoch took as far as others had no part in it: process CPU seconds on one thread of
            a CPU, where training neither sleeps nor waits; synchronised wall seconds on a card.
        wall_s: Synchronised wall seconds of the epoch.
        peak_gib: Its peak memory.
        probe_s: What probing took.
    """

    predicted: ProbeResult
    epoch_s: float
    wall_s: float
    peak_gib: float
    probe_s: float

    @property
    def error_pct(self) -> float:
        """Of the predicted epoch's time."""
        return float(errors_pct([self.predicted["epoch_time_s"]], [self.epoch_s])[0])


@dataclass(slots=True, kw_only=True)
class Comparison:
    """One configuration, predicted and measured.

    Attributes:
        config: The configuration.
        pairs: In their order.
    """

    config: TrialConfig
    pairs: list[Pair] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether the two least of both agree as the probe's own rounds must, or there are enough."""
        if len(self.pairs) < 2:
            return False
        return len(self.pairs) >= MAX_PAIRS or all(map(_agree, (self._predictions_s, self._epochs_s)))

    @property
    def error_pct(self) -> float:
        """Of the epoch's time."""
        return float(errors_pct([self.predicted_s], [self.epoch_s])[0])

    @property
    def predicted_s(self) -> float:
        """Of an epoch; the least."""
        return min(self._predictions_s)

    @property
    def epoch_s(self) -> float:
        """The least."""
        return min(self._epochs_s)

    @property
    def _predictions_s(self) -> list[float]:
        return [pair.predicted["epoch_time_s"] for pair in self.pairs]

    @property
    def _epochs_s(self) -> list[float]:
        return [pair.epoch_s for pair in self.pairs]

    @property
    def predicted_gib(self) -> float:
        """The highest peak predicted."""
        return max(pair.predicted["peak_memory_gib"] for pair in self.pairs)

    @property
    def peak_gib(self) -> float:
        """The highest peak measured."""
        return max(pair.peak_gib for pair in self.pairs)


def _agree(seconds: Sequence[float]) -> bool:
    first, second = sorted(seconds)[:2]
    return second <= (1 + MAX_SPREAD) * first


def main() -> None:
    """Probes, measures, prints the table and the summary."""
    arguments = _arguments()
    study = load_study(arguments.space)
    configs = _sampled(list(study.lattice), 5 if arguments.quick else arguments.points, arguments.seed)
    ConsistencyStage.prepare(study.stage.options)
    compared = [_compared(study, config, 0.4 if arguments.quick else 1.0) for config in configs]
    _print_table(compared)
    _print_cost_law(compared, study.stage.num_samples)
    _print_memory(compared)
    firsts = [comparison.pairs[0].error_pct for comparison in compared]
    print(f"First pairs, whatever the machine did: {_of_errors(firsts)}.")
    errors = [comparison.error_pct for comparison in compared]
    print(f"The least of each: bias {np.median(errors):+.1f} %; {_of_errors(errors)}.")
    summary = {
        "median_error_pct": float(np.median(np.abs(errors))),
        "max_error_pct": float(np.abs(errors).max()),
        "seconds_per_config": float(np.mean([pair.probe_s for c in compared for pair in c.pairs])),
    }
    print(json.dumps({name: round(value, 2) for name, value in summary.items()}))


def _sampled(configs: Sequence[TrialConfig], num: int | None, seed: int) -> list[TrialConfig]:
    """``num`` of the configurations at random, in their order; all for None."""
    if num is None or num >= len(configs):
        return list(configs)
    chosen = np.random.default_rng(seed).choice(len(configs), num, replace=False)
    return [configs[i] for i in sorted(chosen)]


def _compared(study: StudySpec, config: TrialConfig, budget_s: float) -> Comparison:
    """Pairs, each begun with what the one before ended with."""
    found = Comparison(config=config)
    while not found.is_settled:
        if len(found.pairs) % 2 == 0:
            predicted, probe_s = _probed(study, config, budget_s)
            epoch = _trained(study, config)
        else:
            epoch = _trained(study, config)
            predicted, probe_s = _probed(study, config, budget_s)
        found.pairs.append(Pair(predicted=predicted, probe_s=probe_s, **epoch))
    return found


def _probed(study: StudySpec, config: TrialConfig, budget_s: float) -> tuple[ProbeResult, float]:
    """The prediction, and the seconds it took."""
    begin = time.perf_counter()
    (predicted,) = probe(
        ConsistencyStage,
        [config.as_dict()],
        study.stage.options,
        num_threads=study.resources.threads,
        budget_s_per_config=budget_s,
    )
    return predicted, time.perf_counter() - begin


def _trained(study: StudySpec, config: TrialConfig) -> dict[str, float]:
    """A first epoch's time and memory; see `Pair`."""
    runs = Runs(ConsistencyStage, study.stage.options, study.resources.threads)
    (result,) = runs.train(config.as_dict(), seed=study.seed, num_epochs=study.stage.num_epochs, stop_after=1)
    runs.stop()
    on_card = ConsistencyStage.device_kind(study.stage.options) != "cpu"
    return {
        "epoch_s": result["time_s" if on_card else "cpu_time_s"],
        "wall_s": result["time_s"],
        "peak_gib": result["peak_memory_gib"],
    }


def _print_table(compared: Sequence[Comparison]) -> None:
    print(
        "| batch, micro, taus, accum | steps timed | pairs | predicted s | epoch s | wall s | error % "
        "| first | predicted GiB | GiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for c in compared:
        cells = [
            f"{c.config.batch_size}, {c.config.micro_batch}, {c.config.num_taus}, {c.config.accum_steps}",
            str(c.pairs[0].predicted["num_steps_timed"]),
            str(len(c.pairs)),
            f"{c.predicted_s:.3f}",
            f"{c.epoch_s:.3f}",
            f"{min(pair.wall_s for pair in c.pairs):.3f}",
            f"{c.error_pct:+.1f}",
            f"{c.pairs[0].error_pct:+.1f}",
            f"{c.predicted_gib:.3f}",
            f"{c.peak_gib:.3f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _print_cost_law(compared: Sequence[Comparison], num_samples: int) -> None:
    """How well the law does: fitted to all that was measured, and fitted to five probes."""
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
    """On a CPU the peak is the process's, and the configurations hardly differ in it."""
    errors = 1024 * np.array([c.predicted_gib - c.peak_gib for c in compared])
    peaks = 1024 * np.array([c.peak_gib for c in compared])
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
