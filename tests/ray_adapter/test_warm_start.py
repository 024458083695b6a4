"""`--warm-start` on real Ray: real runs learn from real runs of the same stage."""

import json

import pytest

from tests.processes import write_study
from tests.replay import rebuild
from tests.studies import study_dict
from tuner.runs.journal import read_journal
from tuner.spec import load_study

FEW = {"trials": 6, "hours": 0.05}
STAGE = study_dict()["stage"] | {"options": {"epoch_time_s": 0.05}}
"""Trials of milliseconds scatter beside other tests."""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory, call_on_ray):
    folder = tmp_path_factory.mktemp("earlier")
    done = call_on_ray(
        "--space",
        write_study(folder, stage=STAGE, budget=FEW),
        "--runs-dir",
        folder / "runs",
    )
    assert done.returncode == 0, done.stderr
    return (folder / "runs" / "last").resolve()


def test_a_real_run_keeps_what_the_other_learnt_and_times_everything_itself(earlier, tmp_path, call_on_ray):
    space = study_dict()["parameters"] | {"batch_size": {"values": [4, 6, 8, 12, 16, 24, 32]}}
    path = write_study(tmp_path, stage=STAGE, parameters=space, budget=FEW)
    done = call_on_ray("--space", path, "--warm-start", earlier, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    last = (tmp_path / "runs" / "last").resolve()
    result = json.loads((last / "result.json").read_text())
    taken = result["provenance"]["warm_start"]
    assert taken["run"] == earlier.name
    assert taken["num_full"] > 0
    assert f"warm start: NRMSE of {taken['num_runs']} runs" in done.stdout
    events = list(read_journal(last / "journal.jsonl"))
    advisor = rebuild(load_study(str(last / "study.yaml")), events)
    assert advisor.warm_start.provenance == taken
    assert result["recommended"]["config"] in [config.as_dict() for config in advisor.admitted]
    used = {run.seed for run in advisor.warm_start.runs}
    assert not used & {record.seed for record in advisor.records}
    assert any(record.config == advisor.study.baseline for record in advisor.records)


def test_what_the_stage_itself_says_differs_is_refused_before_a_trial_runs(earlier, tmp_path, call_on_ray):
    stage = STAGE | {"options": STAGE["options"] | {"a": 0.08}}
    path = write_study(tmp_path, stage=stage)
    done = call_on_ray("--space", path, "--warm-start", earlier, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert "stage option a differs: not given there, 0.08 here" in done.stderr
    assert list((tmp_path / "runs").iterdir()) == []
