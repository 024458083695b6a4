"""Trains the 2-D problem at full size: an epoch of the baseline and one of the guide's configuration.

    python -m benchmarks.on_a_card.full_size [--quick]

A row has its full size; there are fewer pairs than in a study, and the teacher is hardly trained, since only
seconds and memory are looked at. What a chunk needs is compared with the bytes that
`trainables.consistency.row_cost` counts. Every step prints one line of JSON, of which the last counts: a run
that is ended early has said what it knows.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any

from benchmarks.training.runs import Runs
from trainables.consistency.options import StageOptions
from trainables.consistency.row_cost import RowCost, resident_bytes, row_cost
from trainables.consistency.stage import ConsistencyStage
from trainables.telemetry.memory import GIB
from tuner.core.config import TrialConfig
from tuner.spec import load_study

STUDY = "a100.yaml"
NUM_EPOCHS = 6
FULL: dict[str, Any] = {
    "problem": "turbulence2d",
    "num_samples": 240,
    "num_eval_trajectories": 4,
    "operator_steps": 20,
    "teacher_steps": 20,
}
TINY = FULL | {"num_samples": 24, "grid_points": 32, "teacher_width": 8, "teacher_depth": 4}
MEASURED = (
    "epoch_time_s",
    "warmup_time_s",
    "peak_memory_gib",
    "peak_reserved_gib",
    "gpu_util_pct",
    "energy_j",
)


def main() -> None:
    """Trains both epochs, and prints what they took and what was counted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tiny problem")
    options = TINY if parser.parse_args().quick else FULL
    found: dict[str, Any] = {"num_samples": options["num_samples"], "prepare_s": None}
    began = time.perf_counter()
    ConsistencyStage.prepare(options)
    found["prepare_s"] = round(time.perf_counter() - began, 1)
    print(json.dumps(found), flush=True)
    study = load_study(STUDY)
    assert study.guide is not None
    configs = {"baseline": study.baseline, "guide": study.guide}
    runs = Runs(ConsistencyStage, options)
    for name, config in configs.items():
        found[name] = measured(runs, config)
        print(json.dumps(found), flush=True)
    runs.stop()
    cost = row_cost(StageOptions.parse(options))
    for name, config in configs.items():
        found[name]["counted_gib"] = round(counted_gib(options, config, cost), 3)
    print(json.dumps(found))


def measured(runs: Runs, config: TrialConfig) -> dict[str, Any]:
    """Trains the first epoch of a configuration; a figure that nobody measured is None."""
    (result,) = runs.train(config.as_dict(), seed=0, num_epochs=NUM_EPOCHS, stop_after=1)
    values = {name: result[name] for name in MEASURED}
    known = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    return {
        "config": list(config.as_dict().values()),
        "status": result["status"],
        **{name: round(known[name], 3) if name in known else None for name in MEASURED},
    }


def counted_gib(options: dict[str, Any], config: TrialConfig, cost: RowCost) -> float:
    """Returns the GiB of a chunk's rows and of what lies on the device beside them, without workspaces."""
    beside = resident_bytes(StageOptions.parse(options), config.num_taus, config.batch_size)
    return (config.micro_batch * config.num_taus * cost.saved_bytes + beside) / GIB


if __name__ == "__main__":
    main()
