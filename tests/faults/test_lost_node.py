"""A node of a cluster that goes under a trial is the machine's end: it counts against nothing."""

import json
import os
import subprocess
import sys

from tests.processes import ROOT

CLUSTER = """
import json, pathlib, sys, threading, time, ray
from ray.cluster_utils import Cluster
from tests.faults.test_hangs import study_of
from tests.processes import descendants, title
from tests.ray_adapter.test_trials import run_on_ray
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
ray.init(address=cluster.address, log_to_driver=False)
folder = pathlib.Path(sys.argv[1])
journal = folder / "journal.jsonl"

def trains(node):
    below = descendants(node.all_processes["raylet"][0].process.pid)
    return any(title(pid).startswith("ray::ResourceTrainable") for pid in below)

def lose_the_node():
    while not (journal.exists() and '"observe"' in journal.read_text()):
        time.sleep(0.1)
    (node,) = filter(trains, nodes)
    cluster.remove_node(node, allow_graceful=False)

threading.Thread(target=lose_the_node, daemon=True).start()
stage, budget = {"options": {"epoch_time_s": 2.0}, "num_epochs": 2}, {"trials": 1, "hours": 1}
study = study_of(stage, resources={"retries": 0}, budget=budget)
advisor = run_on_ray(study, folder)
print(json.dumps([(r.config.batch_size, r.state, r.reason) for r in advisor.records]), flush=True)
"""

SOON = {"RAY_health_check_period_ms": "500", "RAY_health_check_timeout_ms": "1000"}
"""Ray asks its nodes more often, so that one which died is missed in seconds."""


def test_a_trial_whose_node_was_killed_is_asked_again_even_without_retries(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | SOON
    command = [sys.executable, "-c", CLUSTER, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (told,) = (line for line in done.stdout.splitlines() if line.startswith("[["))
    lost, again, *others = json.loads(told)
    assert lost[:2] == [6, "discarded"]
    assert lost[2].startswith("the node was lost: The actor died")
    assert again == [6, "complete", ""]
    assert not any(state == "failed" for _, state, _ in others)
