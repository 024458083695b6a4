"""Questions to a stage on a card leave no process behind that would hold memory there."""

import os
import subprocess
import sys
from pathlib import Path

from tests.stages import SyntheticStage

ROOT = Path(__file__).parents[2]

ASK = """
import os, time, ray
from tests.studies import make_study
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.place import Place
from tuner.ray_adapter.ray_changes import ray_start_changed
from tuner.ray_adapter.stages import describe_device
with ray_start_changed(needs_api_server=False):
    ray.init("local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
stage = {"class": "tests.ray_adapter.test_stages:NamesItsProcess", "num_epochs": 1, "num_samples": 240}
without, with_card = (
    describe_device(make_study(stage=stage), Interrupts(), Place(num_gpus=num_gpus))["pid"]
    for num_gpus in (0, 1)
)
deadline = time.monotonic() + 30
while os.path.exists(f"/proc/{with_card}") and time.monotonic() < deadline:
    time.sleep(0.1)
print(*("alive" if os.path.exists(f"/proc/{pid}") else "gone" for pid in (without, with_card)))
"""


class NamesItsProcess(SyntheticStage):
    """Says which process described the device."""

    @classmethod
    def describe_device(cls, options):
        return {"kind": "cuda", "name": "pretended", "memory_gib": 1.0, "pid": os.getpid()}


def test_a_worker_that_was_given_a_card_ends_with_what_it_was_asked_and_one_without_stays_for_the_next():
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split()[-2:] == ["alive", "gone"]
