"""Memory and arithmetic of the 2-D problem at full size, on the cards of the GPU studies.

    python -m benchmarks.memory            # a few seconds, on any machine

Bytes per row are counted on the student's own graph, without memory (trainables.consistency.row_cost), after
a check against graphs that have it, at small sizes. What a card then holds and how long it takes is
ARITHMETIC from those bytes, the studies' ranges, data sheets and what one H100 was seen to do (docs/LOG.md).
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
"""CUDA context, weights, gradients in flight: a guess."""

WORKSPACE_GIB = 0.1
"""Of cuDNN and for fragments, a row: 80 rows did not fit an H100, whose memory leaves so much for each."""

EFFICIENCY = {"tf32": 0.062, "fp32": 0.26}
"""Share of the peak rate that an H100 reached with 15 rows; that other cards reach it is a guess."""

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
        fits = rows * (row_gib + WORKSPACE_GIB) + resident + OVERHEAD_GIB <= card.memory_gib.value
        at_five = resident_bytes(options, 5, 6) / GIB
        limits[name] = int((card.memory_gib.value - OVERHEAD_GIB - at_five) / (row_gib + WORKSPACE_GIB))
        largest = card.guide.micro_batch[1] * card.guide.num_taus[1]
        flops = 5 * study.stage.num_samples * cost.flops
        assert card.peak_tf32_tflops is not None
        assert card.peak_fp32_tflops is not None
        fp32_s = flops / (EFFICIENCY["fp32"] * 1e12 * card.peak_fp32_tflops.value)
        # TF32 is an option of the same kernels: never slower.
        tf32_s = min(fp32_s, flops / (EFFICIENCY["tf32"] * 1e12 * card.peak_tf32_tflops.value))
        print(
            f"| {card.description} | {at_five:.1f} GiB | {limits[name]} | 15 | {largest} | {rows.max()} | "
            f"{100 * fits.mean():.0f} % | {tf32_s:.0f}, {fp32_s:.0f} |"
        )
    print(
        f"\nArithmetic, with {WORKSPACE_GIB} GiB a row and {OVERHEAD_GIB} GiB for the rest, and the share of "
        f"the peak rate that an H100 reached: {EFFICIENCY}."
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
