"""A stand-in for a training script: reads the pipeline's YAML, "trains" a few epochs, prints JSON lines.

Its NRMSE follows what the bundled stage measures (docs/stage.md, calibration), without luck.
"""

import json
import math
import sys
import time
from pathlib import Path

import yaml

config = yaml.safe_load(Path(sys.argv[1]).read_text())
num_epochs = int(sys.argv[2])
batch = config["stages"]["consistency_distill"]["batch_size"]
training = config["training"]
taus, accum = training["distill_num_taus"], training["accum_steps"]
launches = 2000 / batch * (batch / training["distill_micro_batch"]) * taus
final = 0.0907 + 0.003 / taus + 0.0004 * math.log2(batch * accum / 6) ** 2

print("training begins")  # noqa: T201
begun = time.perf_counter()
for epoch in range(1, num_epochs + 1):
    time.sleep(launches * 5e-5)
    nrmse = final * (1 + 0.3 * (num_epochs - epoch) / num_epochs)
    seconds = round(time.perf_counter() - begun, 2)
    print(json.dumps({"epoch": epoch, "val_nrmse": round(nrmse, 6), "seconds": seconds}), flush=True)  # noqa: T201
