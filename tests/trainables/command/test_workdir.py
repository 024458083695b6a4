"""A script that overwrites its own input starts every trial from the same bytes."""

import pytest

from tests.trainables.test_command import reports, trial
from trainables.command import CommandStage

OVERWRITES = (
    "import json, os, sys\n"
    "path = 'checkpoints/operator.pt'\n"
    "before = int(open(path).read())\n"
    "open(path, 'w').write(str(before + 1))\n"
    "open('data/seen', 'w').write(os.getcwd())\n"
    "open('log.jsonl', 'w').write('x')\n"
    "print(json.dumps({'nrmse': before}))\n"
)
"""Says what its checkpoint holds as its NRMSE, and goes on from there."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "operator.pt").write_text("7")
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.mark.parametrize("path", ["checkpoints", "checkpoints/operator.pt"])
def test_each_trial_has_a_copy_and_the_original_stays(here, path):
    config = trial(here, OVERWRITES, num_epochs=1, workdir={"copy": [path], "link": ["data"]})
    config["stage"]["command"][1] = "script.py"
    CommandStage.prepare(config["stage"])
    assert [reports(config)[0]["nrmse"] for _ in range(2)] == [7, 7]
    assert (here / "checkpoints/operator.pt").read_text() == "7"
    assert not (here / "log.jsonl").exists()
    ran_in = (here / "data/seen").read_text()
    folders = list((here / "logs").glob("trial-*"))
    assert ran_in in [f"{folder}/workdir" for folder in folders]
    assert len(folders) == 2
    assert not any((folder / "workdir").exists() for folder in folders), "copies do not pile up"
    assert all((folder / "output.log").exists() for folder in folders)


def test_without_the_option_the_script_runs_where_the_tuner_does(here):
    assert reports(trial(here, OVERWRITES, num_epochs=1))[0]["nrmse"] == 7
    assert (here / "checkpoints/operator.pt").read_text() == "8"
    assert (here / "data/seen").read_text() == str(here)


def test_a_script_that_is_copied_itself_is_taken_from_the_copy(here):
    code = "import os; print('{\"nrmse\": %d}' % (1 + os.path.abspath(__file__).startswith(os.getcwd())))"
    (here / "src").mkdir()
    (here / "src" / "train.py").write_text(code)
    stage = {"command": ["{python}", "src/train.py"], "workdir": {"copy": ["src"]}}
    (report,) = reports({"params": {"batch_size": 6}, "num_epochs": 1, "stage": stage})
    assert report["nrmse"] == 2
    stage["workdir"] = {"copy": ["checkpoints"]}
    (report,) = reports({"params": {"batch_size": 6}, "num_epochs": 1, "stage": stage})
    assert report["nrmse"] == 1


def test_a_metrics_file_of_a_relative_path_is_where_the_script_runs(here):
    code = "open('m.json', 'w').write('{\"nrmse\": 0.5}')"
    options = {"source": "file", "file": "m.json", "per_epoch": False, "workdir": {"copy": ["checkpoints"]}}
    assert reports(trial(here, code, num_epochs=1, **options))[0]["nrmse"] == 0.5


@pytest.mark.parametrize(
    ("workdir", "words"),
    [
        ({"copy": ["checkpoints/none.pt"]}, "workdir='checkpoints/none.pt' .* Fix: correct the path"),
        ({"copy": ["../checkpoints"]}, "by its relative path"),
        ({"copy": ["/etc"]}, "by its relative path"),
        ({"copy": ["~/x"]}, "by its relative path"),
        ({"copy": ["."]}, "by its relative path"),
        ({"copy": ["checkpoints", "checkpoints/operator.pt"]}, "name it once, and nothing within it"),
        ({"copy": ["data"], "link": ["data"]}, "name it once"),
        ({"copies": ["data"]}, "workdir='copies' .* Fix: use copy or link"),
        ({"copy": "data"}, r"Fix: write \{copy: \[...\]\}"),
        ("copy", r"Fix: write \{copy: \[...\]\}"),
    ],
)
def test_what_cannot_be_copied_is_refused_before_anything_runs(here, workdir, words):
    with pytest.raises(ValueError, match=words):
        CommandStage.prepare({"command": ["{python}", "-c", ""], "workdir": workdir})
