"""Questions to a stage: on a card they leave no process behind, and a worker loads little to answer them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stages import SyntheticStage

ROOT = Path(__file__).parents[2]

ASK = """
import json, os, time, ray
from tests.studies import make_study
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.place import Place
from tuner.ray_adapter.ray_changes import ray_start_changed
from tuner.ray_adapter.stages import describe_device
with ray_start_changed(needs_api_server=False):
    ray.init("local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
stage = {"class": "tests.ray_adapter.test_stages:NamesItsProcess", "num_epochs": 1, "num_samples": 240}
without, with_card = (
    describe_device(make_study(stage=stage), Interrupts(), Place(num_gpus=num_gpus)) for num_gpus in (0, 1)
)
deadline = time.monotonic() + 30
while os.path.exists(f"/proc/{with_card['pid']}") and time.monotonic() < deadline:
    time.sleep(0.1)
lives = [os.path.exists(f"/proc/{said['pid']}") for said in (without, with_card)]
print(json.dumps({"lives": lives, "modules": without["modules"]}))
"""


class NamesItsProcess(SyntheticStage):
    """Says which process described the device, and what it has loaded."""

    @classmethod
    def describe_device(cls, options):
        told = {"pid": os.getpid(), "modules": sorted(sys.modules)}
        return {"kind": "cuda", "name": "pretended", "memory_gib": 1.0} | told


@pytest.fixture(scope="module")
def said():
    """What became of the workers that described a device, one of them with a card, and what was loaded."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_worker_that_was_given_a_card_ends_with_what_it_was_asked_and_one_without_stays_for_the_next(said):
    assert said["lives"] == [True, False]


def test_a_worker_loads_nothing_of_the_search_and_of_the_report_to_answer(said):
    loaded = {".".join(name.split(".")[:2]) for name in said["modules"]}
    assert {"ray.tune", "tuner.ray_adapter"} <= loaded
    assert not {"tuner.advisor", "tuner.search", "tuner.report", "scipy.optimize"} & loaded
