"""Measures the speed ladder of the bundled stage, from naive to fast, trick by trick, at equal loss.

    python -m benchmarks.stage            # a few minutes
    python -m benchmarks.stage --quick    # under a minute, on 24 pairs: shows that it works, no more

The rungs are timed in turn, so that other load on the machine affects all of them alike. The least time of
each counts. On a CPU it is the CPU time of the process: one thread that never waits, so this is what the
clock would show if nobody else used the core. Each rung is also compared with the one before it round by
round, because those two ran one after the other. If the rounds disagree about which is faster, the trick's
gain is within the noise. ``benchmarks/stage/rungs.py`` says what the tricks are. The last line is one line of
JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.stage.roofline import Machine, RowLimit, clock_of
from benchmarks.stage.rungs import BASELINE, FAST, LADDER, NAIVE, TUNED, TUNED_FAST, Rung
from benchmarks.training.runs import Runs
from trainables.consistency.options import StageOptions
from trainables.consistency.params import DistillParams
from trainables.consistency.stage import ConsistencyStage, load_operator, load_problem, load_teacher
from trainables.consistency.teacher import DistillationProblem, Split
from trainables.telemetry import device

NUM_EPOCHS = 6
SAME_LOSS = 1e-4
"""The relative difference in loss after an epoch that rounding can explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The number of rounds, samples and seeds that one call measures.

    Attributes:
        rounds: Number of times each rung's epoch is timed.
        num_samples: Number of training pairs in a timed epoch; the first ones are taken.
        seeds: Number of seeds of the runs that measure NRMSE.
        epochs: Number of epochs of these runs.
    """

    rounds: int
    num_samples: int
    seeds: int
    epochs: int = NUM_EPOCHS


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """The measurements of a rung.

    Attributes:
        rung: Rung that was timed.
        num_rows: Number of rows in its epoch.
        epoch_s: Seconds of the epoch in each round.
        losses: Mean loss of the epoch in each round.
    """

    rung: Rung
    num_rows: int
    epoch_s: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @property
    def best_s(self) -> float:
        """The least seconds of an epoch."""
        return min(self.epoch_s)

    def gains_on(self, before: Timed) -> list[float]:
        """Returns how many times faster this rung is than another, round by round."""
        return [theirs / ours for theirs, ours in zip(before.epoch_s, self.epoch_s, strict=True)]


def main() -> None:
    """Measures the machine, the ladder and the NRMSE, and prints the table and the summary."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stage", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="two rounds of 24 pairs, one seed of two epochs")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    raw: dict[str, Any] = {"problem": "burgers"}  # its rows are what is timed and counted below
    options = StageOptions.parse(raw)
    full = Plan(rounds=7, num_samples=options.num_samples, seeds=4)
    plan = Plan(rounds=2, num_samples=24, seeds=1, epochs=2) if quick else full
    kind = options.resolved_device()
    machine = Machine.measure(kind)
    ladder = time_ladder(options, plan)
    machine = machine.or_better(Machine.measure(kind))
    limit = RowLimit.of(machine, options, BASELINE["num_taus"])
    print_machine(kind, machine, limit)
    print(f"an epoch is of {plan.num_samples} pairs; {plan.rounds} rounds")
    print_ladder(ladder, limit)
    require_same_losses(ladder)
    tuned = nrmses(raw, TUNED, plan)
    print(f"NRMSE after {plan.epochs} epochs, over {plan.seeds} paired seeds: ", end="")
    print(f"tuned {tuned}", end="\n" if quick else ", ")
    if not quick:  # the baseline takes five times as long
        print(f"baseline {nrmses(raw, BASELINE, plan)}")
    print(json.dumps(summary(ladder, limit, tuned)))


def time_ladder(options: StageOptions, plan: Plan) -> list[Timed]:
    """Times every rung once a round, in alternating order."""
    problem, kind = load_problem(options), options.resolved_device()
    train = _first(problem.splits["train"], plan.num_samples).to(kind)
    seconds = clock_of(kind)
    ladder = [Timed(rung=rung, num_rows=_num_rows(rung, plan.num_samples)) for rung in LADDER]
    for number in range(plan.rounds):
        for timed in ladder if number % 2 == 0 else ladder[::-1]:
            _time_once(timed, problem, train, options, seconds)
    return ladder


def _time_once(
    timed: Timed,
    problem: DistillationProblem,
    train: Split,
    options: StageOptions,
    seconds: Callable[[], float],
) -> None:
    """Times one epoch of a fresh engine, and adds it to the rung's measurements."""
    kind, rung = options.resolved_device(), timed.rung
    engine = rung.engine(
        load_teacher(problem, options).to(kind),
        train,
        DistillParams.parse(rung.params, num_samples=len(train.u_next)),
        make=rung.make,
        operator=load_operator(problem, options, kind),
        residual_std=problem.residual_std,
        num_epochs=NUM_EPOCHS,
    )
    engine.warm_up()
    start = seconds()
    counts = engine.train_epoch(1)  # fetches the loss, so the device has finished
    timed.epoch_s.append(seconds() - start)
    timed.losses.append(counts.loss)


def _first(split: Split, num: int) -> Split:
    return Split(cond=split.cond[:num], residual=split.residual[:num], u_next=split.u_next[:num])


def _num_rows(rung: Rung, num_samples: int) -> int:
    params = DistillParams.parse(rung.params, num_samples=num_samples)
    return params.samples_in_epoch(num_samples) * params.num_taus


def print_machine(kind: str, machine: Machine, limit: RowLimit) -> None:
    """Prints the machine and its limits."""
    where = "a CPU core" if kind == "cpu" else "the card"
    print(f"{device.describe(kind)['name']}, 1 thread, torch {torch.__version__}")
    print(
        f"{where}: {machine.flops / 1e9:.0f} GFLOP/s in fp32, {machine.bytes_per_s / 1e9:.1f} GB/s; {limit}"
    )


def print_ladder(ladder: Sequence[Timed], limit: RowLimit) -> None:
    """Prints the table of the ladder, one line per rung."""
    base = _named(ladder, NAIVE).best_s
    print("| rung | s/epoch | us/row | of roofline | against naive | against the rung before | loss |")
    print("|---|---|---|---|---|---|---|")
    for before, timed in zip([ladder[0], *ladder], ladder, strict=False):
        cells = [
            timed.rung.name,
            f"{timed.best_s:.3f}",
            f"{1e6 * timed.best_s / timed.num_rows:.1f}",
            f"{100 * limit.seconds * timed.num_rows / timed.best_s:.0f} %",
            f"{base / timed.best_s:.2f} x",
            _against(timed.gains_on(before)) if timed.rung.follows else "",
            f"{timed.losses[0]:.6f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _against(gains: Sequence[float]) -> str:
    """Formats the median gain over the rounds with its range."""
    least, most = min(gains), max(gains)
    doubt = ", not told apart" if least <= 1.0 <= most else ""
    return f"{statistics.median(gains):.2f} x ({least:.2f} to {most:.2f}{doubt})"


def require_same_losses(ladder: Sequence[Timed]) -> None:
    """Checks that every rung has the same loss as the first rung of its batch size.

    Raises:
        SystemExit: If the losses differ by more than `SAME_LOSS`.
    """
    first: dict[int, float] = {}
    compared = [timed for timed in ladder if timed.rung.same_loss]
    apart = max(
        abs(t.losses[0] / first.setdefault(t.rung.params["batch_size"], t.losses[0]) - 1.0) for t in compared
    )
    print(f"losses of a configuration, in fp32, are at most {apart:.1e} apart (relative)")
    if apart > SAME_LOSS:
        raise SystemExit("another loss is another problem: these rungs are not to be compared.")


def nrmses(options: dict[str, Any], params: dict[str, Any], plan: Plan) -> list[float]:
    """Trains runs on paired seeds with the product's own engine, and returns their final NRMSEs."""
    runs = Runs(ConsistencyStage, options)
    found = [runs.train(params, seed=s, num_epochs=plan.epochs)[-1]["nrmse"] for s in range(plan.seeds)]
    runs.stop()
    return found


def summary(ladder: Sequence[Timed], limit: RowLimit, tuned_nrmses: Sequence[float]) -> dict[str, float]:
    """Returns the figures of the line of JSON."""
    naive, fast, tuned = (_named(ladder, rung) for rung in (NAIVE, FAST, TUNED_FAST))
    return {
        "fast_over_naive_same_config": round(naive.best_s / fast.best_s, 2),
        "tuned_fast_over_baseline_naive": round(naive.best_s / tuned.best_s, 2),
        "tuned_nrmse_mean": round(statistics.mean(tuned_nrmses), 5),
        "roofline_fraction": round(limit.seconds * fast.num_rows / fast.best_s, 3),
    }


def _named(ladder: Sequence[Timed], rung: Rung) -> Timed:
    return next(timed for timed in ladder if timed.rung is rung)


if __name__ == "__main__":
    main()
