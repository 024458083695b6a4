"""Calibrates the bundled stage: trains a grid of configurations on several seeds and measures their NRMSE.

    python -m benchmarks.calibration            # what docs/stage.md shows; several minutes
    python -m benchmarks.calibration --quick    # seconds, on a small problem: shows that it works, no more

The script keeps its trials in a file of JSON lines, so that a later call continues where this one ended.
It takes times anew. It writes calibration.md and two plots, but refuses to replace the ones that the
documentation shows when it measured less than they did. The last line is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.calibration import figures
from benchmarks.calibration.results import Calibration, markdown_table
from benchmarks.training.runs import Runs, time_epochs
from benchmarks.training.trial_log import Key, QualityRun, TrialLog, params_of, reference_run
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
"""The figures in docs/stage.md come from this many seeds."""
QUICK_GRID: tuple[Key, ...] = ((6, 3, 5, 1), (24, 24, 4, 1), (32, 32, 2, 1))
QUICK_PROBLEM = {"num_samples": 120, "num_eval_trajectories": 20, "teacher_steps": 20, "operator_steps": 20}
"""Options of the stage for --quick: a problem that is made in a second, with NRMSEs of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The configurations, seeds and epochs that one call measures, and where its results go.

    Attributes:
        quality_grid: Configurations that are trained in full on every seed.
        timed_grid: Configurations that are only timed.
        num_seeds: Number of seeds; the trials use seeds 0 to num_seeds - 1.
        num_epochs: Number of epochs of a trial.
        rounds: Number of times each configuration's epoch is timed; the least counts.
        final_report: Whether the trials are also evaluated on the third split.
        log: File that keeps the trials.
        output: Folder for the table and the plots.
        options: Options of the stage; none is the problem of docs/stage.md.
    """

    quality_grid: tuple[Key, ...]
    timed_grid: tuple[Key, ...]
    num_seeds: int
    num_epochs: int
    rounds: int
    final_report: bool
    log: Path
    output: Path
    options: Mapping[str, int]

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, num_epochs: int) -> Plan:
        """Makes the plan from the command line: the full one, or a small one for --quick.

        Raises:
            SystemExit: If the plan measures less than the documentation shows, and would replace its figures.
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
            num_epochs=1 if quick else num_epochs,
            rounds=1 if quick else arguments.rounds,
            final_report=arguments.final_report,
            log=arguments.log,
            output=output,
            options=QUICK_PROBLEM if quick else {},
        )


def main() -> None:
    """Measures what is missing, writes the table and the plots, and prints the summary."""
    study = load_study("cpu.yaml")
    plan = Plan.from_arguments(_arguments(), study.stage.num_epochs)
    trials, timed, times = _measure(plan)
    calibration = Calibration(
        runs=tuple(trials),
        epoch_times_s=dict(zip(timed, times, strict=True)),
        target=study.target,
        num_samples=plan.options.get("num_samples", study.stage.num_samples),
    )
    table = markdown_table(calibration)
    plan.output.mkdir(parents=True, exist_ok=True)
    (plan.output / "calibration.md").write_text(table)
    figures.draw(calibration, plan.output)
    print(table)
    if plan.final_report:
        _print_final(calibration)
    print(json.dumps(calibration.summary()))


def _measure(plan: Plan) -> tuple[list[QualityRun], tuple[Key, ...], list[float]]:
    """Returns all trials, from the log where it has them, the timed configurations and their CPU s/epoch."""
    runs = Runs(ConsistencyStage, plan.options)
    log = TrialLog(plan.log, reference_run(runs))
    grid = [(key, seed) for seed in range(plan.num_seeds) for key in plan.quality_grid]
    trials = [_trial(runs, plan, log, key, seed) for key, seed in grid]
    timed = plan.quality_grid + plan.timed_grid
    params = [params_of(key) for key in timed]
    times = time_epochs(runs, params, num_epochs=plan.num_epochs, rounds=plan.rounds)
    runs.stop()
    return trials, timed, [time.cpu_s for time in times]


def _trial(runs: Runs, plan: Plan, log: TrialLog, key: Key, seed: int) -> QualityRun:
    """Returns one trial, and trains it only if the log does not have it."""
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
    """Prints the mean NRMSE on the third split. It is for a final report; nothing may be chosen by it."""
    print("Final split (for reports only):")
    for key in calibration.keys:
        finals = [run.final_nrmse for run in calibration.runs_of(key) if run.final_nrmse is not None]
        print(f"  {key}: {sum(finals) / len(finals):.4f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration", description="Calibrates the bundled stage."
    )
    parser.add_argument(
        "--quick", action="store_true", help="a small problem, three configurations, an epoch, two seeds"
    )
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
