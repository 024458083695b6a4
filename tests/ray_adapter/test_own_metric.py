"""A script with a loss below zero, as a study end to end on real Ray: its name and raw values everywhere."""

import csv
import json

import pytest
import yaml

from tests.commands.calls import call
from tests.studies import study_dict
from tuner.runs.journal import read_journal

SCRIPT = """
import json, random, sys, time
batch_size, seed = map(int, sys.argv[1:3])
for epoch in (1, 2):
    time.sleep(0.2 / batch_size)
    nll = -3.3 - 0.1 * epoch + 0.01 * batch_size + 0.001 * random.Random(seed).random()
    print(json.dumps({"epoch": epoch, "eval": {"loss": nll}, "lr": 1e-4}), flush=True)
"""


def study_of(folder, **changes):
    (folder / "train.py").write_text(SCRIPT)
    words = ["{python}", str(folder / "train.py"), "{batch_size}", "{seed}", "{micro_batch}", "{num_taus}"]
    study = study_dict(
        stage={
            "class": "trainables.command:CommandStage",
            "num_epochs": 2,
            "num_samples": 100,
            "options": {"command": words, "device": "cpu", "keys": {"nll": "eval.loss"}},
        },
        parameters={
            "batch_size": {"values": [1, 5]},
            "micro_batch": {"values": [1]},
            "num_taus": {"values": [2]},
        },
        metric={"name": "nll", "range": "any"},
        target="nll < -3.4",
        baseline={"batch_size": 1, "micro_batch": 1, "num_taus": 2},
        budget={"trials": 4, "hours": 0.02},
        certificate={"pairs": 2},
        **changes,
    )
    del study["guide"]
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder / "study.yaml"


def test_a_loss_below_zero_is_searched_proved_and_shown_under_its_name(tmp_path, call_on_ray):
    done = call_on_ray("--space", study_of(tmp_path), "--runs-dir", tmp_path / "runs")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr
    last = tmp_path / "runs/last"
    reports = [e["measurement"] for e in read_journal(last / "journal.jsonl") if e["event"] == "observe"]
    assert all(-3.5 < r["reported_quality"] < -3.3 for r in reports)
    result = json.loads((last / "result.json").read_text())
    assert result["recommended"]["config"]["batch_size"] == 5
    assert result["recommended"]["nll"] == pytest.approx(-3.4495, abs=0.001)
    rows = list(csv.DictReader((last / "trials.csv").read_text().splitlines()))
    assert all(-3.5 < float(row["nll"]) < -3.3 for row in rows)
    shown = (
        done.stdout + done.stderr + (last / "summary.txt").read_text() + (last / "report.html").read_text()
    )
    assert "at nll -3.449" in shown
    assert "nrmse" not in shown.lower()


def test_it_can_be_tried_planned_and_simulated(tmp_path):
    study = study_of(tmp_path)
    said = call("doctor", "--space", study, "--runs-dir", tmp_path / "runs", "--try")
    assert "epoch 1 of 2: nll -3.3" in said.text
    assert "nll -3.3" in next(line for line in said.lines if "(from eval.loss)" in line)
    assert "nrmse" not in said.text.lower()
    for mode in (("--plan",), ("--simulate", "--runs-dir", tmp_path / "runs")):
        done = call("run", *mode, "--space", study)
        assert done.code == 0, (mode, done.text)
        assert "nrmse" not in (done.text + "\n".join(done.notes)).lower()


def test_a_loss_below_zero_in_a_study_of_positive_ones_is_told_before_it_runs(tmp_path):
    study = study_of(tmp_path)
    text = study.read_text().replace("range: any", "range: positive").replace("nll < -3.4", "nll < 3.4")
    study.write_text(text)
    said = call("doctor", "--space", study, "--runs-dir", tmp_path / "runs", "--try")
    assert "nll=-3.3" in said.text
    assert "set metric.range: any in the study" in said.text
