"""What hangs is noticed: a trial, at its start and later, a script, a stage that prepares or releases."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from tests.processes import ROOT, is_alive, wait_until
from tests.ray_adapter.test_trials import run_on_ray
from tests.stages import SyntheticStage
from tests.studies import make_study, study_dict
from tuner.core.trial import TrialState
from tuner.errors import StageError
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.place import Place
from tuner.ray_adapter.silence import Patience
from tuner.ray_adapter.stages import Waiting, prepare
from tuner.report.notices import Notices

pytestmark = pytest.mark.usefixtures("ray_resources")

IMPATIENT = Patience(word_s=0.5, least_s=2.0, least_start_s=2.0, factor=2.0)
FEW = {
    "parameters": {
        "batch_size": {"values": [6, 12, 24]},
        "micro_batch": {"values": [3]},
        "num_taus": {"values": [5]},
    },
    "guide": None,
    "target": "nrmse < 0.2",
    "scheduler": {"rule": "none"},
    "search": {"sampler": "random"},
}


def study_of(stage, **changes):
    return make_study(**(FEW | {"stage": study_dict()["stage"] | stage} | changes))


def ends(advisor, batch_size):
    return [(r.state, r.reason) for r in advisor.records if r.config.batch_size == batch_size]


def test_a_trial_that_hangs_at_its_start_is_told_killed_asked_once_more_and_then_failed(tmp_path):
    """First in the worker of the baseline, then in one of its own. The other configurations are measured."""
    hang = {"params": {"batch_size": 12}, "kind": "hang", "epoch": 0}
    study = study_of({"options": {"failures": [hang]}, "num_epochs": 2})
    said = []
    advisor = run_on_ray(study, tmp_path, patience=IMPATIENT, on_silence=Notices(said.append).silent)
    first, second = ends(advisor, 12)
    for state, reason in (first, second):
        assert state is TrialState.FAILED
        assert reason.startswith("no report for ")
        assert reason.endswith(" s are allowed by the limit that this run has learnt")
    for batch_size in (6, 24):
        assert TrialState.COMPLETE in dict(ends(advisor, batch_size))
    hung = [record.trial_id for record in advisor.records if record.config.batch_size == 12]
    for trial_id in hung:
        (line,) = (line for line in said if line.startswith(f"trial {trial_id} has not reported for "))
        assert "; it is given up after " in line


SCRIPT = """
import os, subprocess, sys, time
print({"epoch": 1, "nrmse": 0.09}, flush=True)
if sys.argv[1] == "12":
    child = subprocess.Popen(["sleep", "1000"])
    for pid in (os.getpid(), child.pid):
        open(f"{sys.argv[2]}/{pid}", "w")
    child.wait()
print({"epoch": 2, "nrmse": 0.08}, flush=True)
"""


def test_a_script_that_hangs_ends_with_its_children_after_the_studys_own_limit(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "pids").mkdir()
    command = ["{python}", str(tmp_path / "train.py"), "{batch_size}", str(tmp_path / "pids")]
    stage = {
        "class": "trainables.command:CommandStage",
        "options": {"command": command, "grace_s": 0.3},
        "num_epochs": 2,
        "timeout_s": 20,
    }
    advisor = run_on_ray(study_of(stage, resources={"retries": 0}), tmp_path)
    ((state, reason),) = ends(advisor, 12)
    assert (state, reason.partition(" s, ")[2]) == (
        TrialState.FAILED,
        "where 20 s are allowed by stage.timeout_s",
    )
    assert TrialState.COMPLETE in dict(ends(advisor, 24))
    pids = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    assert len(pids) == 2
    wait_until(lambda: not any(map(is_alive, pids)), timeout_s=30)


class Suspends(SyntheticStage):
    """Suspends the driver and itself for eight seconds in the second epoch."""

    def build(self, params, seed, options):
        driver = options["driver"]
        super().build(params, seed, {"num_samples": options["num_samples"]})
        self._pids = f"{os.getpid()} {driver}"

    def train_epoch(self, epoch):
        if epoch == 2 and self._params["batch_size"] == 12:
            suspend = f"kill -STOP {self._pids}; sleep 8; kill -CONT {self._pids}"
            subprocess.Popen(["sh", "-c", suspend], start_new_session=True)
            time.sleep(1)
        return super().train_epoch(epoch)


SUSPENDED = """
import os, pathlib, sys, time, ray
from tests.faults.test_hangs import IMPATIENT, ends, study_of
from tests.ray_adapter.test_trials import run_on_ray
from dataclasses import replace
ray.init(address=sys.argv[1], log_to_driver=False)
stage = {"class": "tests.faults.test_hangs:Suspends", "options": {"driver": os.getpid()}, "num_epochs": 2}
patience = replace(IMPATIENT, least_s=5.0, factor=0.0)
began_s = time.monotonic()
advisor = run_on_ray(study_of(stage), pathlib.Path(sys.argv[2]), patience=patience)
print(round(time.monotonic() - began_s), *(state for state, _ in ends(advisor, 12)))
"""


def test_silence_while_driver_and_worker_are_suspended_kills_no_trial(tmp_path):
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-c", SUSPENDED, address, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    seconds, *states = done.stdout.split()[-2:]
    assert states == ["complete"], done.stderr
    assert int(seconds) >= 8


def test_a_worker_that_hangs_while_it_releases_a_failed_trial_is_killed_and_the_run_goes_on(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TUNE_FORCE_TRIAL_CLEANUP_S", "1")
    of_12 = {"params": {"batch_size": 12}}
    failures = [of_12 | {"kind": "raise"}, of_12 | {"kind": "hang_in_release", "epoch": 0}]
    study = study_of({"options": {"failures": failures}, "num_epochs": 2})
    advisor = run_on_ray(study, tmp_path)
    assert ends(advisor, 12) == [(TrialState.FAILED, "RuntimeError: synthetic failure")]
    assert {state for state, _ in ends(advisor, 24)} == {TrialState.COMPLETE}


class HangsInPrepare(SyntheticStage):
    """Never has what all trials share."""

    @classmethod
    def prepare(cls, options):
        Path(options["pid"]).write_text(str(os.getpid()))
        time.sleep(10**6)


def test_a_stage_that_hangs_in_prepare_is_told_and_given_up_when_the_budgets_hours_have_passed(tmp_path):
    pid = tmp_path / "pid"
    stage = {"class": "tests.faults.test_hangs:HangsInPrepare", "options": {"pid": str(pid)}}
    study, said = study_of(stage, budget={"trials": 1, "hours": 8 / 3600}), []
    name = "tests.faults.test_hangs:HangsInPrepare.prepare has not ended for "
    with pytest.raises(StageError, match=rf"{name}8 s, all of the budget\. Fix: see what it waits for"):
        prepare(study, Interrupts(), Place(), Waiting(say=said.append, word_s=0.5))
    (line,) = said
    assert line.startswith(name)
    wait_until(lambda: not is_alive(int(pid.read_text())), timeout_s=30)
