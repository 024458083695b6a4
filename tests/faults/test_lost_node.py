"""A cluster that was joined loses a node, then its head: machines end, and it counts against nothing."""

import json
import os
import subprocess
import sys

import pytest

from tests.processes import ROOT
from tests.replay import records_of
from tuner.core.trial import TrialState
from tuner.runs.journal import read_journal

CLUSTER = """
import json, os, pathlib, subprocess, sys, threading, time, ray
from ray.cluster_utils import Cluster
from tests.faults.test_hangs import study_of
from tests.faults.test_ray_dies import SHORT, STAGE
from tests.processes import TUNER, descendants, title, write_study
from tests.studies import NO_SINKS
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
stage, budget = {"options": {"epoch_time_s": 2.0}, "num_epochs": 3}, {"trials": 1, "hours": 1}
study = study_of(stage, resources={"retries": 0}, budget=budget)
advisor = run_on_ray(study, folder)
print(json.dumps([(r.config.batch_size, r.state, r.reason) for r in advisor.records]), flush=True)
ray.shutdown()  # a thread of it asks a head that has died for errors, without a pause

joined = folder / "joined"
joined.mkdir()
study = str(write_study(joined, stage=STAGE, outputs=NO_SINKS, **SHORT))
command = [*TUNER, "--space", study, "--runs-dir", str(joined), "--address", cluster.address]
run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
journal = joined / "last/journal.jsonl"
while not (journal.exists() and journal.read_text().count('"observe"') >= 1):
    time.sleep(0.1)
head = cluster.head_node
head.all_processes["gcs_server"][0].process.kill()
said = run.communicate()[0]
print(json.dumps({"gcs": head.gcs_address, "code": run.returncode, "said": said}), flush=True)
for node in cluster.list_all_nodes():
    for started in [one for several in node.all_processes.values() for one in several]:
        started.process.kill()
os._exit(0)  # Ray's own end would wait for the head
"""

SOON = {"RAY_health_check_period_ms": "500", "RAY_health_check_timeout_ms": "1000"}
"""Ray asks its nodes more often, so that one which died is missed in seconds."""

NO_LOGGERS = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
"""As of every run: Tune's own loggers load torch, and nobody reads what they write."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """What became of a trial whose node was killed, then of a run whose head was; and the run's folder."""
    folder = tmp_path_factory.mktemp("cluster")
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | SOON | NO_LOGGERS
    command = [sys.executable, "-c", CLUSTER, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    trials, run = (json.loads(line) for line in done.stdout.splitlines() if line.startswith(("[[", "{")))
    return trials, run, folder / "joined/last"


def test_a_trial_whose_node_was_killed_is_asked_again_even_without_retries(cluster):
    lost, again, *others = cluster[0]
    assert lost[:2] == [6, "discarded"]
    assert lost[2].startswith("the node was lost: The actor died")
    assert again == [6, "complete", ""]
    assert not any(state == "failed" for _, state, _ in others)


def test_a_cluster_whose_head_was_killed_ends_the_run_with_a_message_and_counts_against_no_trial(cluster):
    """Ray's C++ would end the process after a minute, without a result."""
    _, run, last = cluster
    assert run["code"] == 2, run["said"]
    died = (
        f"Ray's process gcs_server at {run['gcs']} died or is out of reach, so that no trial can run any more"
    )
    assert (
        run["said"].count(f"error: {died}. Fix: see that the cluster is up, then continue with --resume") == 1
    )
    assert "Traceback" not in run["said"]
    assert json.loads((last / "result.json").read_text())["status"] == "failed"
    assert (last / "report.html").exists()
    records = records_of(read_journal(last / "journal.jsonl"))
    assert {record.state for record in records} <= {TrialState.COMPLETE, TrialState.DISCARDED}
