"""What a study names and is not there, or does not work, is told before the first trial, by every command."""

import subprocess
import sys

import pytest

from tests.commands.calls import call
from tests.processes import ROOT, call_tuner, write_study
from tests.studies import study_dict
from tuner.commands import machine

OWN = study_dict()["stage"]
BUNDLED = OWN | {"class": "trainables.consistency.stage:ConsistencyStage"}
MISTAKES = [
    ({"stage": OWN | {"class": "tests.stages:NoSuchStage"}}, "tests.stages has no 'NoSuchStage'"),
    ({"stage": OWN | {"class": "no_such.module:Stage"}}, "there is no module 'no_such'"),
    ({"stage": BUNDLED | {"options": {"grid_point": 64}}}, "unknown stage option 'grid_point'"),
    ({"stage": BUNDLED | {"options": {"grid_points": -1}}}, "grid_points=-1 is not a whole number"),
    ({"search": {"sampler": "no_such:Sampler"}}, "the sampler 'no_such:Sampler' cannot be imported"),
    ({"search": {"sampler": "tpe", "options": {"startup": 1}}}, "'tpe' has no option 'startup'"),
    ({"scheduler": {"rule": "no_such:Rule"}}, "the stopping rule 'no_such:Rule' cannot be imported"),
    ({"search": {"sampler": "optuna.samplers:CmaEsSampler"}}, "CmaEsSampler cannot be used. Fix: "),
    (
        {"search": {"sampler": "tests.samplers:NeedsPackage"}},
        "needs a package that is not installed: No module named 'no_such'. Fix: pip install no_such.",
    ),
]


@pytest.mark.parametrize(("changes", "told"), MISTAKES)
@pytest.mark.parametrize("way", ["--plan", "--simulate"])
def test_nobody_plans_or_simulates_what_could_not_run(way, changes, told, tmp_path):
    study = write_study(tmp_path, **changes)
    done = call_tuner("--space", study, way, *(["--runs-dir", tmp_path] if way == "--simulate" else []))
    assert done.returncode == 2
    assert done.stdout == ""
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert " Fix: " in done.stderr
    assert not (tmp_path / "last").exists()


@pytest.mark.parametrize(("changes", "told"), MISTAKES)
def test_doctor_says_that_a_study_could_not_run(changes, told, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "ask_torch", lambda: {"version": "2", "cuda": None, "cards": []})
    monkeypatch.setattr(machine, "ask_nvml", lambda: {"error": "none"})
    monkeypatch.setattr(machine, "ask_ray", lambda: {"version": "2.60.0"})
    said = call("doctor", "--space", write_study(tmp_path, **changes), "--runs-dir", tmp_path)
    assert said.code == 2
    (line,) = [line for line in said.lines if line.startswith("fail")]
    assert told in line


def test_a_package_that_an_output_needs_is_missed_by_doctor(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "ask_torch", lambda: {"version": "2", "cuda": None, "cards": []})
    monkeypatch.setattr("tuner.commands.preflight.find_spec", lambda name: None)
    study = write_study(tmp_path, outputs={"wandb": "offline"})
    said = call("doctor", "--space", study, "--runs-dir", tmp_path)
    assert [line.split()[1] for line in said.lines if "Fix: pip install 'distill-tuner[wandb]'" in line] == [
        "outputs"
    ]
    assert said.code == 0


def test_a_plan_of_the_bundled_stage_loads_no_torch():
    code = (
        "import sys; from tuner.run import main; main(['--space', 'cpu', '--plan']);"
        "print([name for name in ('torch', 'ray') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
