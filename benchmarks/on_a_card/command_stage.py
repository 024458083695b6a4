"""Runs a small script on the card as a command stage, and says which figures of it came from NVML.

    python -m benchmarks.on_a_card.command_stage [--quick]

The script holds so many GiB and multiplies matrices; it prints its NRMSE and nothing of the card. The stage
has to find its memory, utilisation and energy by itself. The last line is one line of JSON, in which a figure
that did not come is null; ``missing`` names those.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.training.runs import Runs
from trainables.command.stage import CommandStage

SCRIPT = """\
import json, sys, time
import torch

held_gib, epoch_s, num_epochs = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
device = "cuda" if torch.cuda.is_available() else "cpu"
side = 4096 if device == "cuda" else 128
held = torch.ones(int(held_gib * 2**28), device=device)
matrix = torch.ones(side, side, device=device)
print(f"ready on {device}", flush=True)
for epoch in range(1, num_epochs + 1):
    end = time.perf_counter() + epoch_s
    while time.perf_counter() < end:
        float((matrix @ matrix).sum())  # waits for the device
    print(json.dumps({"epoch": epoch, "nrmse": 1.0 / epoch}), flush=True)
"""

NAMES = ("gpu_memory_gib", "gpu_util_pct", "power_w", "energy_j", "sm_clock_mhz", "temperature_c")
NUM_EPOCHS = 3


def main() -> None:
    """Runs the script and prints its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="epochs of 0.2 s that hold 0.1 GiB")
    quick = parser.parse_args().quick
    params = {"held_gib": 0.1, "epoch_s": 0.2} if quick else {"held_gib": 4.0, "epoch_s": 3.0}
    with tempfile.TemporaryDirectory() as folder:
        result = run_script(Path(folder), params)
    print(json.dumps(figures(result, params["held_gib"])))


def run_script(folder: Path, params: dict[str, float]) -> dict[str, Any]:
    """Runs the script to its end as a trial, and returns the result of its last epoch."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    words = ["{python}", str(script), "{held_gib}", "{epoch_s}", "{num_epochs}"]
    runs = Runs(CommandStage, {"command": words, "start": "^ready on"})
    try:
        return runs.train(params, seed=0, num_epochs=NUM_EPOCHS)[-1]
    finally:
        runs.stop()


def figures(result: dict[str, Any], held_gib: float) -> dict[str, Any]:
    """Returns the figures of the line of JSON; memory that nobody measured, a result's 0, is None."""
    found = {
        "peak_memory_gib": result["peak_memory_gib"] or None,
        **{name: result.get(name) for name in NAMES},
    }
    rounded = {name: None if value is None else round(value, 3) for name, value in found.items()}
    return {
        "status": result["status"],
        "device": result["device"],
        "time_s": round(result["time_s"], 3),
        "held_gib": held_gib,
        "contended_reason": result["contended_reason"],
        **rounded,
        "missing": [name for name, value in rounded.items() if value is None],
    }


if __name__ == "__main__":
    main()
