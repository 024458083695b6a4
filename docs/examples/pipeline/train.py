"""A stand-in for a training script: the stage `consistency_distill` of a pipeline, with a real one's habits.

It computes nothing. Its time follows the work (batches, chunks, rows) by sleeping, its NRMSE what the bundled
stage measures (docs/stage.md, calibration), without luck.
"""

import argparse
import json
import math
import time
from pathlib import Path

from config import load_config

BATCH_S, CHUNK_S, ROW_S = 5e-4, 4e-4, 2e-5
"""Seconds of a batch, of a chunk, and of a row at one noise level."""

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--config", type=Path, default=Path("train_config.yaml"))
config = load_config(parser.parse_args().config)
training, stage = config["training"], config["stages"]["consistency_distill"]
size, micro, num_taus = stage["batch_size"], training["distill_micro_batch"], training["distill_num_taus"]
rows_per_trajectory = config["data"]["num_steps"] - 1
memory_rows = config["device"]["memory_rows"] or math.inf


def train_batch(num_trajectories: int) -> float:
    """Cuts the rows of a batch into chunks, and returns the seconds to train each at all noise levels."""
    seconds = BATCH_S
    num_rows = num_trajectories * rows_per_trajectory
    for start in range(0, num_rows, micro):
        rows = num_taus * min(micro, num_rows - start)
        if rows > memory_rows:
            print("Warning: OOM in a chunk of consistency_distill, skipping chunk")
            continue
        seconds += CHUNK_S + ROW_S * rows
    return seconds


checkpoint = Path(config["checkpoint"]["dir"]) / "diffusion_residual.json"
state = json.loads(checkpoint.read_text())
log = Path(training["log_path"])
log.parent.mkdir(parents=True, exist_ok=True)
print(f"consistency_distill goes on from {checkpoint}, {state['epochs']} epochs old")
for epoch in range(stage["epochs"]):
    begun = time.perf_counter()
    whole, rest = divmod(config["data"]["num_trajectories"], size)
    time.sleep(sum(train_batch(num) for num in [*[size] * whole, *([rest] if rest else [])]))
    state["epochs"] += 1
    final = 0.090712 + 0.0030037 / num_taus + 0.00040213 * math.log2(size / 6) ** 2
    state["error"] = final * 1.3 ** (1 - state["epochs"] / stage["epochs"])
    entry = {"stage": "consistency_distill", "epoch": epoch, "loss": round(10 * state["error"] ** 2, 6)}
    entry["epoch_time_sec"] = round(time.perf_counter() - begun, 4)
    with log.open("a") as file:
        file.write(json.dumps(entry) + "\n")
checkpoint.write_text(json.dumps(state))
print(f"consistency_distill wrote {checkpoint}")
