"""Computes memory, traffic and launches of the 2-D problem at full size, on the cards of the GPU studies.

    python -m benchmarks.memory            # some seconds, on any machine

The script counts bytes, FLOPs and launches without allocating memory (trainables.consistency.row_cost). It
first checks the bytes against real graphs of small sizes. What a card then holds, and how long it takes, is
ARITHMETIC from these counts, the studies' ranges, data sheets and measurements of one H100
(docs/log/index.md). The last line is one line of JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from trainables.consistency.options import StageOptions
from trainables.consistency.row_cost import RowCost, resident_bytes, row_cost, saved_bytes
from trainables.consistency.teacher import new_network
from tuner.core.study import StudySpec
from tuner.core.workload import Workload
from tuner.spec import load_study

GIB = 2**30
STUDIES = ("rtx4090", "a100", "h100")
OVERHEAD_GIB = 1.5
"""Assumed GiB for the CUDA context, weights and gradients in flight."""

WORKSPACE_GIB = 0.1
"""Assumed GiB per row for fragmentation and for what a block needs temporarily."""

BANDWIDTH_SHARE = 0.6
"""Assumed share of the data sheet's bandwidth that operations with little arithmetic reach."""

LAUNCH_US = 15.0
"""Microseconds that a launch costs the host. An epoch of *naive* Burgers took 13.5 s on an H100's host
(docs/log), and has 334 batches of 2,654 operations each."""

SMALL_SIZES = ((32, 16, 4), (32, 32, 8), (64, 16, 8))


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCard:
    """The memory and the time that a study needs on a card.

    Attributes:
        resident_gib: GiB that the baseline holds at any micro-batch.
        rows_that_fit: Number of rows that fit at once beside these.
        baseline_rows: Number of rows in a chunk of the baseline.
        guide_rows: Number of rows in a chunk of the guide's largest configuration.
        study_rows: Number of rows in a chunk of the study's largest configuration.
        fitting_share: Share of the study's configurations that fit.
        epoch_s: Seconds that the card needs for an epoch of the baseline.
        naive_host_s: Seconds that the host needs to launch such an epoch level by level.
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
        """The share of a *naive* epoch's time in which the card works."""
        return min(1.0, self.epoch_s / self.naive_host_s)


def main() -> None:
    """Checks the counts, and prints the table and one line of JSON."""
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
    """Computes by arithmetic what the study's card can hold, and how long it takes."""
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
    """Returns the bytes of a row at a size (grid, width, depth), as counted and as in a real graph."""
    grid, width, depth = size
    options = StageOptions(
        problem="turbulence2d", grid_points=grid, teacher_width=width, teacher_depth=depth, device="cpu"
    )
    net = new_network(options)
    real = saved_bytes(net, options.num_points, 3) - saved_bytes(net, options.num_points, 1)
    return row_cost(options).saved_bytes, real / 2


if __name__ == "__main__":
    main()
