"""A study of a script that can do few steps: what its probe tells is heard, and it may fail without harm."""

import json

import pytest
import yaml

from tests.studies import study_of_two
from trainables.command import CommandStage
from tuner.advisor import Probe
from tuner.advisor.messages import probe_as_dict, probe_of_dict
from tuner.core.traits import StageTraits
from tuner.ray_adapter.launch import trial_config
from tuner.ray_adapter.probes import probe_results
from tuner.runs.journal import read_journal
from tuner.spec import load_study

CODE = """
import json, sys, time
batch, *limit = map(int, sys.argv[1:])
print("training begins")
steps = limit[0] if limit else 60 // batch
if limit and BROKEN: sys.exit("unrecognized arguments: --max-steps")
step_s = 0.05 if BROKEN else 0.01
time.sleep(step_s * steps)
print(json.dumps({"nrmse": 0.05, "t": (5 if limit else 1) * step_s * steps, "peak_memory_gib": batch}))
"""
"""In a short start its steps are five times as slow as in a training. A training lasts so long that a short
start pays, also on a busy machine.
"""


def script_study(folder, *, is_broken):
    (folder / "train.py").write_text(CODE.replace("BROKEN", str(is_broken)))
    options = {
        "command": ["{python}", str(folder / "train.py"), "{batch_size}"],
        "probe": {"steps": 10, "args": ["{num_steps}"]},
        "keys": {"time_s": "t"},
    }
    stage = {
        "class": "trainables.command:CommandStage",
        "num_epochs": 1,
        "num_samples": 60,
        "options": options,
    }
    study = study_of_two(6, stage, budget={"trials": 3, "hours": 0.02}, certificate={"pairs": 0})
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder / "study.yaml"


def test_what_a_script_answers_to_a_probe_is_what_the_advisor_hears(tmp_path):
    study = load_study(str(script_study(tmp_path, is_broken=False)))
    wanted = Probe(trial_id="p001", configs=tuple(study.lattice), limit_s=60.0)
    stage = CommandStage(config=trial_config(study, wanted))
    results = probe_results(wanted, stage.train())
    stage.stop()
    assert [result.config for result in results] == list(wanted.configs)
    assert [result.epoch_time_s for result in results] == pytest.approx([3.0, 0.5])
    assert [result.peak_memory_gib for result in results] == [1, 6]
    assert all(0 < result.error < 0.3 for result in results)
    assert [probe_of_dict(probe_as_dict(result)) for result in results] == results


def test_a_probe_that_fails_is_told_once_and_the_run_goes_on_without(tmp_path, call_on_ray):
    study = script_study(tmp_path, is_broken=True)
    done = call_on_ray("--space", study, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr
    line = "no more probes, so times are learnt from trainings alone: the script failed with exit 1: unrec"
    run = tmp_path / "runs/last"
    assert line in done.stdout
    assert (run / "summary.txt").read_text().count(line) == 1
    result = json.loads((run / "result.json").read_text())
    assert "unrecognized arguments" in result["probing_given_up"]
    assert result["num_trials"] >= 2
    first, *events = read_journal(run / "journal.jsonl")
    traits = StageTraits.from_dict(first["traits"])
    assert (traits.can_probe, traits.probes_in_proportion) == (True, True)
    (asked,) = (e["answer"] for e in events if e["event"] == "ask" and "configs" in e["answer"])
    assert [config["batch_size"] for config in asked["configs"]] == [1]  # what was trained comes first
    assert asked["limit_s"] == 5.0
