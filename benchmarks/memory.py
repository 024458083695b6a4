"""Memory, traffic and launches of the 2-D problem at full size, on the cards of the GPU studies.

    python -m benchmarks.memory            # a quarter of a minute, on any machine

Bytes, FLOPs and launches are counted without memory (trainables.consistency.row_cost), after a check of the
bytes against graphs that have it, at small sizes. What a card then holds and how long it takes is ARITHMETIC
from those, the studies' ranges, data sheets and what one H100 was seen to do (docs/LOG.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from trainables.consistency.options import StageOptions
from trainables.consistency.row_cost import RowCost, resident_bytes, row_cost, saved_bytes
from trainables.consistency.teacher import new_network
from tuner.core.workload import Workload
from tuner.spec import StudySpec, load_study

GIB = 2**30
STUDIES = ("rtx4090", "a100", "h100")
OVERHEAD_GIB = 1.5
"""CUDA context, weights, gradients in flight: a guess."""

WORKSPACE_GIB = 0.1
"""For fragments and what a block needs in passing, a row: a guess."""

BANDWIDTH_SHARE = 0.6
"""Of the data sheet's, that operations which hardly compute reach: a guess."""

LAUNCH_US = 15.0
"""What a launch costs the host: 13.5 s for an epoch of *naive* Burgers on an H100's host (docs/LOG.md), whose
334 batches are 2,654 operations each."""

SMALL_SIZES = ((32, 16, 4), (32, 32, 8), (64, 16, 8))


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCard:
    """What a card makes of a study.

    Attributes:
        resident_gib: Of the baseline, whatever the micro-batch.
        rows_that_fit: At once, beside that.
        baseline_rows: Of a chunk of the baseline.
        guide_rows: Of the guide's largest configuration.
        study_rows: Of the study's largest.
        fitting_share: Of the study's configurations.
        epoch_s: Of the baseline's rows, however many at once.
        naive_host_s: What launching the baseline level by level takes the host.
    """

    resident_gib: float
    rows_that_fit: int
    baseline_rows: int
    guide_rows: int
    study_rows: int
    fitting_share: float
    epoch_s: float
    naive_host_s: float

    @property
    def naive_busy_share(self) -> float:
        """Of the time of a *naive* epoch, that the card works."""
        return min(1.0, self.epoch_s / self.naive_host_s)


def main() -> None:
    error = max(abs(counted / real - 1.0) for counted, real in map(_small, SMALL_SIZES))
    options = StageOptions.parse({"problem": "turbulence2d"})
    cost = row_cost(options)
    print(
        f"Counted against real graphs at {len(SMALL_SIZES)} small sizes: {100 * error:.2g} % apart at most.\n"
        f"One row at full size: {cost.saved_bytes / GIB:.3f} GiB kept, {cost.moved_bytes / 1e9:.1f} GB "
        f"moved, {cost.flops / 1e9:.0f} GFLOP; a pass of any number of rows: {cost.num_launches} launches.\n"
    )
    print(
        "| card | resident, baseline | rows that fit | baseline | guide's largest | study's largest | "
        "share of study that fits | baseline's rows, s/epoch | launched naively, s/epoch | card then busy |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    found = {}
    for name in STUDIES:
        study = load_study(name)
        found[name] = card = _on_card(study, options, cost)
        print(
            f"| {study.hardware.description} | {card.resident_gib:.1f} GiB | {card.rows_that_fit} | "
            f"{card.baseline_rows} | {card.guide_rows} | {card.study_rows} | "
            f"{100 * card.fitting_share:.0f} % | {card.epoch_s:.0f} | {card.naive_host_s:.0f} | "
            f"{100 * card.naive_busy_share:.0f} % |"
        )
    print(
        f"\nArithmetic, with {WORKSPACE_GIB} GiB a row and {OVERHEAD_GIB} GiB for the rest, "
        f"{BANDWIDTH_SHARE} of the data sheet's bandwidth and {LAUNCH_US:.0f} us a launch."
    )
    summary = {
        "row_gib": round(cost.saved_bytes / GIB, 4),
        "row_moved_gb": round(cost.moved_bytes / 1e9, 2),
        "row_gflop": round(cost.flops / 1e9, 1),
        "launches": cost.num_launches,
        "rows_that_fit": {name: card.rows_that_fit for name, card in found.items()},
        "naive_busy_share": {name: round(card.naive_busy_share, 2) for name, card in found.items()},
    }
    print(json.dumps(summary))


def _on_card(study: StudySpec, options: StageOptions, cost: RowCost) -> OnCard:
    """Arithmetic."""
    card, columns, baseline = study.hardware, study.lattice.columns, study.baseline
    assert card.memory_gib is not None
    assert card.bandwidth_gb_s is not None
    assert card.guide is not None
    row_gib = cost.saved_bytes / GIB + WORKSPACE_GIB
    rows = columns["micro_batch"] * columns["num_taus"]
    shapes = zip(columns["num_taus"], columns["batch_size"], strict=True)
    resident = np.array([resident_bytes(options, int(j), int(b)) for j, b in shapes]) / GIB
    of_baseline = resident_bytes(options, baseline.num_taus, baseline.batch_size) / GIB
    work = Workload(config=baseline, num_samples=study.stage.num_samples)
    bytes_per_s = BANDWIDTH_SHARE * 1e9 * card.bandwidth_gb_s.value
    return OnCard(
        resident_gib=of_baseline,
        rows_that_fit=int((card.memory_gib.value - OVERHEAD_GIB - of_baseline) / row_gib),
        baseline_rows=baseline.micro_batch * baseline.num_taus,
        guide_rows=card.guide.micro_batch[1] * card.guide.num_taus[1],
        study_rows=int(rows.max()),
        fitting_share=float((rows * row_gib + resident + OVERHEAD_GIB <= card.memory_gib.value).mean()),
        epoch_s=work.num_sample_evals * cost.moved_bytes / bytes_per_s,
        naive_host_s=1e-6 * LAUNCH_US * work.num_chunks * baseline.num_taus * cost.num_launches,
    )


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
