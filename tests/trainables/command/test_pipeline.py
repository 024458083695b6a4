"""The pipeline of the documentation as a trial: each habit of its scripts has its answer in the study."""

import json
import subprocess
import sys

import pytest

from tests.pipeline import copy_pipeline, study_of_pipeline
from tests.trainables.test_command import reports
from trainables.command import CommandStage

BASELINE = {"batch_size": 6, "micro_batch": 3, "num_taus": 5, "accum_steps": 1}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A trial of the baseline; the scripts' folder is the working one."""
    monkeypatch.chdir(copy_pipeline(tmp_path, num_trajectories=50))
    options = study_of_pipeline()["stage"]["options"]
    CommandStage.prepare(options)
    return {"params": BASELINE, "num_epochs": 3, "stage": options | {"logs": str(tmp_path / "logs")}}


def evaluation_of(folder):
    for script in ("train.py", "evaluate.py"):
        done = subprocess.run(
            [sys.executable, script], cwd=folder, capture_output=True, text=True, check=True
        )
    metrics = json.loads(done.stdout.partition("\n")[2])["metrics"]
    return metrics["rmse"] / metrics["target_rms"]


def test_a_run_by_hand_overwrites_what_the_next_one_starts_from_and_a_trial_does_not(tmp_path, config):
    (first,), (second,) = reports(config), reports(config)
    assert first["nrmse"] == second["nrmse"] == pytest.approx(0.0913, rel=1e-3)
    by_hand = evaluation_of(tmp_path / "pipeline")
    assert by_hand == first["nrmse"]
    assert evaluation_of(tmp_path / "pipeline") < 0.08, "it has trained twice as long"


def test_its_own_clock_counts_and_neither_its_start_nor_the_evaluation(tmp_path, config):
    (report,) = reports(config)
    (log,) = tmp_path.glob("logs/trial-*/log.jsonl")
    seconds = [json.loads(line)["epoch_time_sec"] for line in log.read_text().splitlines()]
    assert len(seconds) == 3
    assert report["time_s"] == pytest.approx(sum(seconds))


def test_a_memory_that_is_too_small_makes_a_trial_infeasible_though_the_script_ends_well(tmp_path, config):
    large = config | {"params": BASELINE | {"micro_batch": 24}}
    (report,) = reports(large)
    assert report["status"] == "oom"
    assert "OOM in a chunk of consistency_distill, skipping chunk" in report["error"]
    roomy = copy_pipeline(tmp_path / "roomy", num_trajectories=50, memory_rows=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(roomy)
        assert reports(large)[0]["status"] == "ok"


def test_accum_steps_reaches_the_configuration_and_changes_nothing(tmp_path, config):
    (report,) = reports(config | {"params": BASELINE | {"accum_steps": 2}})
    (copy,) = tmp_path.glob("logs/trial-*/train_config.yaml")
    assert "accum_steps: 2" in copy.read_text()
    assert report["nrmse"] == reports(config)[0]["nrmse"]
