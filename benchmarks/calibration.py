"""Calibrates the bundled stage: grid x seeds of real training, what noise and knobs do to NRMSE.

    python -m benchmarks.calibration            # what docs/stage.md shows; several minutes
    python -m benchmarks.calibration --quick    # under a minute: shows that it works, no more

Trials are kept in a file of JSON lines, so that a later call continues where this one ended; times
are taken anew. Writes calibration.md and two plots; never in place of what the documentation shows when it
measured less than that. Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks import calibration_figures
from benchmarks.calibration_results import Calibration, Key, QualityRun, markdown_table
from benchmarks.runs import Runs, time_epochs
from benchmarks.trial_log import TrialLog, params_of, reference_run
from trainables.consistency.stage import ConsistencyStage
from tuner.spec import load_study

# (batch_size, micro_batch, num_taus, accum_steps); the first is the baseline. All differ in quality.
QUALITY_GRID: tuple[Key, ...] = (
    (6, 3, 5, 1), (6, 6, 3, 1), (6, 6, 2, 1), (8, 8, 4, 1),
    (12, 12, 4, 1), (12, 12, 2, 1), (12, 4, 4, 2), (16, 16, 4, 1), (16, 16, 3, 2), (16, 16, 2, 2),
    (24, 24, 6, 1), (24, 24, 4, 1), (24, 24, 2, 1), (24, 24, 6, 2), (24, 24, 4, 2), (24, 24, 2, 2),
    (32, 32, 4, 1), (32, 32, 2, 1),
)  # fmt: skip
# The same quality at other micro-batches: timed only, so that launches and rows can be told apart.
TIMED_GRID: tuple[Key, ...] = (
    (6, 6, 5, 1), (6, 2, 5, 1), (12, 4, 4, 1), (12, 2, 4, 2), (24, 12, 4, 1), (24, 4, 4, 1), (32, 4, 2, 1),
)  # fmt: skip
DOCUMENTED = Path("docs/figures")
NUM_SEEDS = 8
"""Of what docs/stage.md shows."""
QUICK_GRID: tuple[Key, ...] = ((6, 3, 5, 1), (24, 24, 4, 1), (32, 32, 2, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one call measures.

    Attributes:
        quality_grid: Trained in full on every seed.
        timed_grid: Timed only.
        num_seeds: Seeds 0, 1, ... of the trials.
        num_epochs: Length of a trial.
        rounds: How often each configuration's epoch is timed; the least counts.
        final_report: Whether the third split is looked at.
        log: Where trials are kept.
        output: Where table and plots go.
    """

    quality_grid: tuple[Key, ...]
    timed_grid: tuple[Key, ...]
    num_seeds: int
    num_epochs: int
    rounds: int
    final_report: bool
    log: Path
    output: Path

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, num_epochs: int) -> Plan:
        """The full plan, or a sample of it.

        Raises:
            SystemExit: It would write less than the full plan's figures where the documentation takes them.
        """
        quick = arguments.quick
        output = arguments.output or (Path("runs/calibration-quick") if quick else DOCUMENTED)
        if output.resolve() == DOCUMENTED.resolve() and (quick or arguments.seeds < NUM_SEEDS):
            asked = "--quick" if quick else f"--seeds {arguments.seeds}"
            raise SystemExit(
                f"{asked} measures less than docs/stage.md shows, of {NUM_SEEDS} seeds, and would replace it "
                f"in {DOCUMENTED}. Fix: give --output another folder."
            )
        return cls(
            quality_grid=QUICK_GRID if quick else QUALITY_GRID,
            timed_grid=() if quick else TIMED_GRID,
            num_seeds=2 if quick else arguments.seeds,
            num_epochs=2 if quick else num_epochs,
            rounds=1 if quick else arguments.rounds,
            final_report=arguments.final_report,
            log=arguments.log,
            output=output,
        )


def main() -> None:
    """Measures what is missing, writes table and plots, prints the summary."""
    study = load_study("cpu.yaml")
    plan = Plan.from_arguments(_arguments(), study.stage.num_epochs)
    trials, timed, times = _measure(plan)
    calibration = Calibration(
        runs=tuple(trials),
        epoch_times_s=dict(zip(timed, times, strict=True)),
        target=study.target,
        num_samples=study.stage.num_samples,
    )
    table = markdown_table(calibration)
    plan.output.mkdir(parents=True, exist_ok=True)
    (plan.output / "calibration.md").write_text(table)
    calibration_figures.draw(calibration, plan.output)
    print(table)
    if plan.final_report:
        _print_final(calibration)
    print(json.dumps(calibration.summary()))


def _measure(plan: Plan) -> tuple[list[QualityRun], tuple[Key, ...], list[float]]:
    """All trials, from the log where it has them; what was timed; seconds per epoch of each."""
    runs = Runs(ConsistencyStage, {})
    log = TrialLog(plan.log, reference_run(runs))
    grid = [(key, seed) for seed in range(plan.num_seeds) for key in plan.quality_grid]
    trials = [_trial(runs, plan, log, key, seed) for key, seed in grid]
    timed = plan.quality_grid + plan.timed_grid
    params = [params_of(key) for key in timed]
    times = time_epochs(runs, params, num_epochs=plan.num_epochs, rounds=plan.rounds)
    runs.stop()
    return trials, timed, [time.cpu_s for time in times]


def _trial(runs: Runs, plan: Plan, log: TrialLog, key: Key, seed: int) -> QualityRun:
    """One trial; trained only if the log does not have it."""
    known = log.find(key, seed, plan.num_epochs)
    if known is not None and (known.final_nrmse is not None or not plan.final_report):
        return known
    stage = runs.start(params_of(key), seed=seed, num_epochs=plan.num_epochs)
    nrmses = tuple(float(stage.train()["nrmse"]) for _ in range(plan.num_epochs))
    final = float(stage.evaluate_final()["nrmse"]) if plan.final_report else None
    run = QualityRun(key=key, seed=seed, nrmses=nrmses, final_nrmse=final)
    log.append(run)
    return run


def _print_final(calibration: Calibration) -> None:
    """The third split, for a final report; nothing may be chosen by it."""
    print("Final split (for reports only):")
    for key in calibration.keys:
        finals = [run.final_nrmse for run in calibration.runs_of(key) if run.final_nrmse is not None]
        print(f"  {key}: {sum(finals) / len(finals):.4f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Calibrates the bundled stage.")
    parser.add_argument("--quick", action="store_true", help="three configurations, two epochs, two seeds")
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help=f"seeds 0, 1, ... (default {NUM_SEEDS})")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each epoch (default 3)")
    parser.add_argument("--final-report", action="store_true", help="look at the third split, and print it")
    parser.add_argument(
        "--log", type=Path, default=Path("runs/calibration.jsonl"), help="trials are kept here"
    )
    parser.add_argument("--output", type=Path, help=f"folder of table and plots (default {DOCUMENTED})")
    return parser.parse_args()


if __name__ == "__main__":
    main()
