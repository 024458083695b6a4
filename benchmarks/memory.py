"""Memory and arithmetic of the 2-D problem at full size, on the cards of the GPU studies.

    python -m benchmarks.memory            # a few seconds, on any machine

Bytes per row are counted on the student's own graph, without memory (trainables.consistency.row_cost), after
a check against graphs that have it, at small sizes. What a card then holds is ARITHMETIC from those bytes,
the studies' ranges and the cards' data sheets; nothing here was measured on a card.
"""

from __future__ import annotations

import json

import numpy as np

from trainables.consistency.options import StageOptions
from trainables.consistency.row_cost import resident_bytes, row_cost, saved_bytes
from trainables.consistency.teacher import new_network
from tuner.spec import load_study

GIB = 2**30
STUDIES = ("rtx4090", "a100", "h100")
OVERHEAD_GIB = 1.5
"""CUDA context, cuDNN's workspace, weights, gradients in flight: a guess."""

EFFICIENCY = 0.4
"""Share of the peak rate that convolutions of this size reach: a guess."""

SMALL_SIZES = ((32, 16, 4), (32, 32, 8), (64, 16, 8))


def main() -> None:
    error = max(abs(counted / real - 1.0) for counted, real in map(_small, SMALL_SIZES))
    options = StageOptions.parse({"problem": "turbulence2d"})
    cost = row_cost(options)
    row_gib = cost.saved_bytes / GIB
    print(
        f"Counted against real graphs at {len(SMALL_SIZES)} small sizes: {100 * error:.2g} % apart at most."
    )
    print(f"One row at full size: {row_gib:.3f} GiB, {cost.flops / 1e9:.0f} GFLOP.\n")
    print("| card | resident (baseline) | rows that fit | baseline | guide's largest | largest | "
          "share of study that fits | baseline s/epoch TF32, fp32 |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    limits = {}
    for name in STUDIES:
        study = load_study(name)
        card, columns = study.hardware, study.lattice.columns
        assert card.memory_gib is not None
        assert card.guide is not None
        rows = columns["micro_batch"] * columns["num_taus"]
        shapes = zip(columns["num_taus"], columns["batch_size"], strict=True)
        resident = np.array([resident_bytes(options, int(j), int(b)) for j, b in shapes]) / GIB
        fits = rows * row_gib + resident + OVERHEAD_GIB <= card.memory_gib.value
        at_five = resident_bytes(options, 5, 6) / GIB
        limits[name] = int((card.memory_gib.value - OVERHEAD_GIB - at_five) / row_gib)
        largest = card.guide.micro_batch[1] * card.guide.num_taus[1]
        flops = 5 * study.stage.num_samples * cost.flops
        rates = (card.peak_tf32_tflops, card.peak_fp32_tflops)
        seconds = [flops / (EFFICIENCY * 1e12 * rate.value) for rate in rates if rate is not None]
        print(
            f"| {card.description} | {at_five:.1f} GiB | {limits[name]} | 15 | {largest} | {rows.max()} | "
            f"{100 * fits.mean():.0f} % | {', '.join(f'{s:.0f}' for s in seconds)} |"
        )
    print(
        f"\nArithmetic, with {OVERHEAD_GIB} GiB for the rest and "
        f"{100 * EFFICIENCY:.0f} % of the peak rate (guesses)."
    )
    summary = {"row_gib": round(row_gib, 4), "row_gflop": round(cost.flops / 1e9, 1), "rows_that_fit": limits}
    print(json.dumps(summary))


def _small(size: tuple[int, int, int]) -> tuple[float, float]:
    """Bytes of a row of (grid, width, depth): counted without memory, and of a real graph."""
    grid, width, depth = size
    options = StageOptions(
        problem="turbulence2d", grid_points=grid, teacher_width=width, teacher_depth=depth, device="cpu"
    )
    net = new_network(options)
    real = saved_bytes(net, options.num_points, 3) - saved_bytes(net, options.num_points, 1)
    return row_cost(options).saved_bytes, real / 2


if __name__ == "__main__":
    main()
