"""The evaluation that goes with the stand-in for a training script: reads the error from its checkpoint."""

import argparse
import json
from pathlib import Path

from config import load_config

TARGET_RMS = 0.4
"""Root mean square of the held-out fields."""

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--config", type=Path, default=Path("train_config.yaml"))
config = load_config(parser.parse_args().config)
checkpoint = Path(config["checkpoint"]["dir"]) / "diffusion_residual.json"
error = json.loads(checkpoint.read_text())["error"]
metrics = {"rmse": round(error * TARGET_RMS, 9), "target_rms": TARGET_RMS}
print(f"evaluated {checkpoint}")
print(json.dumps({"split": "held out", "metrics": metrics}, indent=2))
