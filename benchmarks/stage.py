"""The speed ladder of the bundled stage: naive to fast, trick by trick, at equal loss.

    python -m benchmarks.stage            # a few minutes
    python -m benchmarks.stage --quick    # under a minute: shows that it works, no more

Rungs are timed in turn, so that whoever else uses the machine hits all alike; the least of each counts.
The last line is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.runs import Runs
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.fast import Tricks
from trainables.consistency.networks import TokenNet
from trainables.consistency.options import StageOptions
from trainables.consistency.params import DistillParams
from trainables.consistency.stage import ConsistencyStage, load_operator, load_problem, load_teacher
from trainables.telemetry import device
from trainables.telemetry.clock import synchronizer

BASELINE = {"batch_size": 6, "micro_batch": 3, "num_taus": 5}
TUNED = {"batch_size": 24, "micro_batch": 24, "num_taus": 2}
NUM_EPOCHS = 6
SAME_LOSS = 1e-4
"""Relative difference after an epoch that rounding explains."""
# A row costs a teacher, a target and a student pass, and a backward pass of two more.
PASSES_PER_ROW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One implementation of one configuration, and what was measured of it."""

    name: str
    params: dict[str, Any]
    tricks: Tricks | None = None
    epoch_s: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


def ladder() -> list[Rung]:
    naive = {"implementation": "naive"}
    return [
        Rung(name="naive, baseline", params=BASELINE | naive),
        Rung(
            name="+ vectorised levels, cached operator, fused Adam, no .item()",
            params=BASELINE,
            tricks=Tricks(flat=False, ahead=False, by_hand=False),
        ),
        Rung(
            name="+ flat weights, gradients, averages",
            params=BASELINE,
            tricks=Tricks(ahead=False, by_hand=False),
        ),
        Rung(
            name="+ teacher per part, target per batch",
            params=BASELINE,
            tricks=Tricks(by_hand=False, graphs=False),
        ),
        Rung(name="+ hand-written gradient (CPU) or graphs (CUDA) = fast, baseline", params=BASELINE),
        Rung(name="naive, tuned", params=TUNED | naive),
        Rung(name="fast, tuned", params=TUNED),
    ]


def roofline(kind: str) -> tuple[float, float]:
    """FLOP/s of a square matrix product and bytes/s of a 256 MiB copy, read and written."""
    size = 1024 if kind == "cpu" else 8192
    a = torch.randn(size, size, device=kind)
    big = torch.ones(2**26, device=kind)
    out = torch.empty_like(big)
    flops = 2 * size**3 / min(_seconds(lambda: a @ a, kind) for _ in range(8))
    return flops, 2 * big.nbytes / min(_seconds(lambda: out.copy_(big), kind) for _ in range(5))


def _seconds(work: Callable[[], Any], kind: str) -> float:
    wait = synchronizer(kind)
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def flops_per_row(net: TokenNet, num_points: int) -> float:
    """Matrix products of one forward pass of one row, counted from the network's layers."""
    assert net.sigma is not None
    tokens = num_points // 4
    per_token = [net.embed, *net.blocks, net.head]
    per_row = [net.sigma.mlp[0], net.sigma.mlp[2]]
    return 2.0 * sum(tokens * m.weight.numel() for m in per_token) + 2.0 * sum(
        m.weight.numel() for m in per_row
    )


def time_ladder(rungs: list[Rung], options: StageOptions, rounds: int) -> None:
    problem, kind = load_problem(options), options.resolved_device()
    train = problem.splits["train"].to(kind)
    for number in range(rounds):
        for rung in rungs if number % 2 == 0 else rungs[::-1]:
            engine = DistillationEngine(
                load_teacher(problem, options).to(kind),
                train,
                DistillParams.parse(rung.params, num_samples=options.num_samples),
                seed=0,
                num_epochs=NUM_EPOCHS,
                operator=load_operator(problem, options, kind),
                residual_std=problem.residual_std,
                tricks=rung.tricks,
            )
            engine.warm_up()
            start = time.perf_counter()
            counts = engine.train_epoch(1)  # fetches the loss, so the device has finished
            rung.epoch_s.append(time.perf_counter() - start)
            rung.losses.append(counts.loss)


def print_ladder(rungs: list[Rung], num_samples: int, row_s: float) -> None:
    """A line each; ``row_s`` is what a row takes at the limit of the machine."""
    base = min(rungs[0].epoch_s)
    print("| rung | s/epoch | us/row | of roofline | against naive baseline | loss of epoch 1 |")
    print("|---|---|---|---|---|---|")
    for rung in rungs:
        best = min(rung.epoch_s)
        params = DistillParams.parse(rung.params, num_samples=num_samples)
        rows = params.samples_in_epoch(num_samples) * params.num_taus
        print(
            f"| {rung.name} | {best:.3f} | {1e6 * best / rows:.1f} | {100 * row_s * rows / best:.0f} % | "
            f"{base / best:.1f} x | {rung.losses[0]:.6f} |"
        )


def require_same_losses(rungs: list[Rung]) -> None:
    """Ends the benchmark where a rung has another loss than the first of its batch size."""
    first: dict[int, float] = {}
    apart = max(
        abs(rung.losses[0] / first.setdefault(rung.params["batch_size"], rung.losses[0]) - 1.0)
        for rung in rungs
    )
    print(f"losses of a configuration are at most {apart:.1e} apart (relative)")
    if apart > SAME_LOSS:
        raise SystemExit("another loss is another problem: these rungs are not to be compared.")


def nrmses(options: dict[str, Any], params: dict[str, Any], seeds: int) -> list[float]:
    runs = Runs(ConsistencyStage, options)
    found = [runs.train(params, seed=s, num_epochs=NUM_EPOCHS)[-1]["nrmse"] for s in range(seeds)]
    runs.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    rounds, seeds = (2, 1) if arguments.quick else (7, 4)
    torch.set_num_threads(1)
    raw: dict[str, Any] = {"problem": "burgers"}  # its rows are what is timed and counted below
    options = StageOptions.parse(raw)
    kind = options.resolved_device()
    machine = device.describe(kind)
    flops, bytes_per_s = roofline(kind)
    print(f"{machine['name']}, 1 thread, torch {torch.__version__}")
    limits = f"{flops / 1e9:.0f} GFLOP/s in fp32, {bytes_per_s / 1e9:.1f} GB/s"
    print(f"roofline of {'a CPU core' if kind == 'cpu' else 'the card'}: {limits}")
    rungs = ladder()
    time_ladder(rungs, options, rounds)
    teacher = load_teacher(load_problem(options), options)
    row_s = PASSES_PER_ROW * flops_per_row(teacher, options.grid_points) / flops
    print_ladder(rungs, options.num_samples, row_s)
    require_same_losses(rungs)
    tuned = nrmses(raw, TUNED, seeds)
    baseline = nrmses(raw, BASELINE, seeds)
    print(f"NRMSE over {seeds} paired seeds: tuned {tuned}, baseline {baseline}")
    base, fast = min(rungs[0].epoch_s), min(rungs[4].epoch_s)
    samples = DistillParams.parse(BASELINE, num_samples=options.num_samples).samples_in_epoch(
        options.num_samples
    )
    result = {
        "fast_over_naive_same_config": round(base / fast, 2),
        "tuned_fast_over_baseline_naive": round(base / min(rungs[6].epoch_s), 2),
        "tuned_nrmse_mean": round(sum(tuned) / len(tuned), 5),
        "roofline_fraction": round(row_s * samples * BASELINE["num_taus"] / fast, 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
