"""Runs the CPU study on real Ray and judges its answers by the exhaustively measured grid.

    python -m benchmarks.search_real            # 10 studies of a minute each, and whatever the grid lacks
    python -m benchmarks.search_real --quick    # under a minute: shows that it works, no more

Each study has its own master seed. Its cost is all the time in which its workers were occupied: set-up, the
training of every trial (stopped and failed ones too), evaluation, probes, and what Ray takes in between. It
is counted in trainings of the baseline, as that study measured them. The studies have no certificate; fresh
seeds, which no search used, judge them. A recommendation is truly feasible if its mean NRMSE over fresh seeds
meets the target. It is good if it also takes at most 1.1 times as long as the fastest truly feasible
configuration of the grid; the contenders are timed in turn. The script keeps finished studies, trials and
times, so that a later call continues. Use a quiet machine. The last line is one line of JSON; [value, low,
high] are a median and its 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from benchmarks.search.results import save
from benchmarks.search_real.grid import Laboratory, add_arguments, measured_times
from benchmarks.search_real.judging import contenders, judge, summary, table
from benchmarks.search_real.studies import read_study, run_study
from benchmarks.search_real.truth import FIRST_FRESH_SEED, group_of, key_of, markdown
from benchmarks.training.trial_log import Key
from tuner.spec import load_study

FINAL_ROUNDS = 5


def main() -> None:
    """Runs, measures and judges the studies, and prints the grid, the studies and the line of JSON."""
    args = _arguments()
    study = load_study(args.space)
    seeds = range(args.first_master_seed, args.first_master_seed + args.master_seeds)
    runs = []
    for seed in seeds:
        runs.append(read_study(run_study(study, seed, args.runs_dir, args.trials), seed))
        print(f"study {seed}: {runs[-1].recommended}, {runs[-1].cost:.2f} baselines", file=sys.stderr)
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
    """Returns the mean NRMSE of a configuration's group over fresh seeds, which no search used."""
    seeds = range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + num_seeds)
    return math.fsum(laboratory.nrmse(group_of(key), seed) for seed in seeds) / num_seeds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_real", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("--space", default="cpu.yaml", metavar="FILE", help="another study, with an absolute target")
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
