"""The CPU study on real Ray, judged by its exhaustively measured grid.

    python -m benchmarks.search_real            # 10 studies of a minute each, and whatever the grid lacks
    python -m benchmarks.search_real --quick    # under a minute: shows that it works, no more

Each study has a master seed of its own. Its cost is all the time that its workers were occupied: set-up,
training of every trial, stopped and failed ones too, evaluation, probes, and what Ray takes in between; in
trainings of the baseline as that study measured them. The studies have no certificate: fresh seeds judge
them. A recommendation is truly feasible when its mean NRMSE over fresh seeds, which no search used, meets
the target; and good when it takes at most 1.1 times what the fastest truly feasible configuration of the
grid takes, the contenders timed in turn. Studies that have run,
trials and times are kept, so that a later call continues. Use a quiet machine. The last line is one line of
JSON; [value, low, high] are a median and its 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.calibration_results import Key
from benchmarks.search_grid import Laboratory, add_arguments, measured_times
from benchmarks.search_results import Outcome, interval, median_baseline_cost, save
from benchmarks.search_truth import FIRST_FRESH_SEED, Grid, group_of, key_of, markdown
from tuner.core.certificate import Terms
from tuner.core.config import TrialConfig
from tuner.records.journal import Event, read_journal
from tuner.spec import load_study

SPACE = "cpu.yaml"
GOOD_RATIO = 1.10
"""A recommendation may take so many times the best feasible time."""
CONTENDER_RATIO = 1.15
"""What is so close to the best by its first times is timed again."""
FINAL_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """What one study did.

    Attributes:
        seed: Its master seed.
        recommended: What it recommends; None when it does not.
        baseline_time_s: A full training of the baseline as it measured it, seconds.
        occupied_s: Seconds its workers were occupied, by what for.
        tried: What it ran.
    """

    seed: int
    recommended: Key | None
    baseline_time_s: float
    occupied_s: Mapping[str, float]
    tried: frozenset[Key]

    @property
    def total_s(self) -> float:
        """All seconds its workers were occupied."""
        return sum(self.occupied_s.values())

    @property
    def cost(self) -> float:
        """The same in trainings of the baseline."""
        return self.total_s / self.baseline_time_s


def run_study(seed: int, runs_dir: Path, trials: int | None) -> Path:
    """Runs the study on real Ray, unless it has run to its end before; its folder."""
    last = runs_dir / f"seed-{seed}" / "last"
    if not (last / "result.json").exists():
        last.parent.mkdir(parents=True, exist_ok=True)
        space = last.parent / "searched.yaml"
        space.write_text(replace(load_study(SPACE), certificate=Terms(pairs=0)).as_yaml())
        command = [sys.executable, "-m", "tuner.run", "--space", str(space), "--seed", str(seed)]
        command += ["--runs-dir", str(last.parent), *(["--trials", str(trials)] if trials else [])]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603  # ourselves
        if done.returncode not in (0, 1):  # 1: it recommends nothing
            raise SystemExit(f"the study with seed {seed} failed; fix that and call again.")
    return last.resolve()


def read_study(folder: Path, seed: int) -> StudyRun:
    """What a study's result and journal say."""
    result = json.loads((folder / "result.json").read_text())
    events = list(read_journal(folder / "journal.jsonl"))
    runs = [e["answer"]["config"] for e in events if e["event"] == "ask" and e["answer"]["kind"] == "run"]
    found = result["recommended"]
    return StudyRun(
        seed=seed,
        recommended=_key(found["config"]) if found else None,
        baseline_time_s=result["baseline"]["time_s"],
        occupied_s=occupied_s(events),
        tried=frozenset(map(_key, runs)),
    )


def _key(values: Mapping[str, Any]) -> Key:
    return key_of(TrialConfig.from_dict(values))


def occupied_s(events: Iterable[Event]) -> dict[str, float]:
    """Seconds from asking for a trial or a probe until its end is told, by purpose; workers add up."""
    asked: dict[str, tuple[str, float]] = {}
    spent: dict[str, float] = {}
    now_s = 0.0

    def end(trial_id: str) -> None:
        if trial_id in asked:
            what, since_s = asked.pop(trial_id)
            spent[what] = spent.get(what, 0.0) + now_s - since_s

    for event in events:
        now_s = event["elapsed_s"]
        if event["event"] == "ask" and "trial_id" in event["answer"]:
            answer = event["answer"]
            asked[answer["trial_id"]] = answer.get("purpose", answer["kind"]), now_s
        elif event["event"] in ("tell", "probed"):
            end(event["trial_id"])
    for trial_id in list(asked):
        end(trial_id)
    return spent


def judge(
    runs: Sequence[StudyRun],
    limit: float,
    fresh_nrmses: Mapping[Key, float],
    epoch_times_s: Mapping[Key, float],
    best: Key,
    num_epochs: int,
) -> list[Outcome]:
    """An outcome for each study.

    Args:
        runs: The studies.
        limit: The NRMSE to stay under.
        fresh_nrmses: Mean NRMSE over fresh seeds of everything that is recommended.
        epoch_times_s: Of the same and of `best`.
        best: The fastest truly feasible configuration.
        num_epochs: Of a full training.
    """
    outcomes = []
    for run in runs:
        key = run.recommended
        is_feasible = key is not None and fresh_nrmses[key] < limit
        ratio = epoch_times_s[key] / epoch_times_s[best] if key else None
        outcomes.append(
            Outcome(
                arm="ours",
                instance="cpu",
                set_name="real",
                seed=run.seed,
                is_solvable=True,
                is_success=is_feasible and ratio is not None and ratio <= GOOD_RATIO,
                is_lie=key is not None and not is_feasible,
                has_answer=key is not None,
                cost=run.total_s / (num_epochs * epoch_times_s[best]),
                baseline_cost=run.cost,
                shares={what: s / run.baseline_time_s for what, s in run.occupied_s.items()},
                time_ratio=ratio,
                num_trials=len(run.tried),
            )
        )
    return outcomes


def contenders(grid: Grid, epoch_times_s: Mapping[Key, float]) -> list[Key]:
    """The configurations of feasible groups whose times are close to the best's, the fastest first."""
    feasible = [key for key in epoch_times_s if grid.is_feasible(group_of(key))]
    feasible.sort(key=lambda key: epoch_times_s[key])
    return [key for key in feasible if epoch_times_s[key] <= CONTENDER_RATIO * epoch_times_s[feasible[0]]]


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The line for programs."""
    is_feasible = [o.has_answer and not o.is_lie for o in outcomes]
    return {
        "real_stage_cost_in_baseline_trainings": interval(outcomes, median_baseline_cost).as_list(),
        "truly_feasible_pct": 100 * sum(is_feasible) / len(outcomes),
        "within_10pct_pct": 100 * sum(o.is_success for o in outcomes) / len(outcomes),
        "num_master_seeds": len(outcomes),
    }


def table(runs: Sequence[StudyRun], outcomes: Sequence[Outcome], fresh_nrmses: Mapping[Key, float]) -> str:
    """One row a study."""
    lines = [
        "| seed | batch, micro, taus, accum | NRMSE, fresh seeds | time/best | cost in baselines | of it |",
        "|---|---|---|---|---|---|",
    ]
    for run, outcome in zip(runs, outcomes, strict=True):
        key = run.recommended
        shares = ", ".join(f"{what} {share:.2f}" for what, share in outcome.shares.items())
        nrmse = f"{fresh_nrmses[key]:.5f}{' OVER THE TARGET' if outcome.is_lie else ''}" if key else ""
        ratio = "" if outcome.time_ratio is None else f"{outcome.time_ratio:.2f}"
        shown = ", ".join(map(str, key)) if key else "nothing"
        lines.append(f"| {run.seed} | {shown} | {nrmse} | {ratio} | {outcome.baseline_cost:.2f} | {shares} |")
    return "\n".join(lines)


def main() -> None:
    """Runs, measures and judges; prints the grid, the studies and the line of JSON."""
    args = _arguments()
    seeds = range(args.first_master_seed, args.first_master_seed + args.master_seeds)
    runs = []
    for seed in seeds:
        runs.append(read_study(run_study(seed, args.runs_dir, args.trials), seed))
        print(f"study {seed}: {runs[-1].recommended}, {runs[-1].cost:.2f} baselines", file=sys.stderr)
    study = load_study(SPACE)
    laboratory = Laboratory.opened(study, args.log)
    tried = {group_of(key) for run in runs for key in run.tried}
    grid = laboratory.complete(args.seeds, groups=tried if args.quick else None)
    wanted = set().union(*(run.tried for run in runs)) if args.quick else map(key_of, study.lattice)
    epoch_times_s = measured_times(laboratory, args.times, wanted, args.rounds)
    recommended = {run.recommended for run in runs if run.recommended}
    fresh_nrmses = {key: _fresh_nrmse(laboratory, key, args.fresh_seeds) for key in recommended}
    close = contenders(grid, epoch_times_s)
    if not close:
        raise SystemExit("no group of the grid is feasible: there is nothing to compare with.")
    final_s = laboratory.epoch_times_s([*{*close, *recommended}], args.final_rounds)
    laboratory.runs.stop()
    best = min(close, key=lambda key: final_s[key])
    outcomes = judge(runs, grid.limit, fresh_nrmses, final_s, best, study.stage.num_epochs)
    if args.save:
        save(args.save, outcomes)
    print(markdown(grid, epoch_times_s))
    print(f"\nBest feasible: {best}, {final_s[best]:.3f} s an epoch; NRMSE {grid.mean(group_of(best)):.5f}\n")
    print(table(runs, outcomes, fresh_nrmses))
    print(json.dumps(summary(outcomes)))


def _fresh_nrmse(laboratory: Laboratory, key: Key, num_seeds: int) -> float:
    """Mean NRMSE of a configuration's group over seeds that nothing was chosen by."""
    seeds = range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + num_seeds)
    return math.fsum(laboratory.nrmse(group_of(key), seed) for seed in seeds) / num_seeds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="one short study, judged by what it tried itself")
    add("--master-seeds", type=int, default=10, metavar="N", help="studies")
    add("--first-master-seed", type=int, default=0, metavar="N", help="the first study's seed")
    add("--runs-dir", type=Path, default=Path("runs/real"), metavar="DIR", help="where studies are kept")
    add("--trials", type=int, metavar="N", help="end each study after N trials")
    add("--fresh-seeds", type=int, default=20, metavar="N", help="that check what is recommended")
    add("--final-rounds", type=int, default=FINAL_ROUNDS, metavar="N", help="timings of the contenders")
    add("--save", type=Path, metavar="FILE", help="append outcomes, for benchmarks.search --load")
    add_arguments(parser)
    args = parser.parse_args()
    if args.quick:
        args.master_seeds, args.trials, args.seeds, args.fresh_seeds = 1, 2, 1, 1
        args.rounds = args.final_rounds = 1
    return args


if __name__ == "__main__":
    main()
