"""A stage that cannot be imported or sent to a worker is one message, before the first trial."""

import os
import re

import pytest

from tests.importing import make_importable
from tests.processes import call_tuner, write_study
from tests.studies import study_dict

STAGE = "from tests.stages import SyntheticStage\n"


def study_of(folder, monkeypatch, source, name="Stage"):
    (folder / "my_stage.py").write_text(source)
    make_importable(monkeypatch, folder, "my_stage")
    return write_study(folder, stage=study_dict()["stage"] | {"class": f"my_stage:{name}"})


@pytest.mark.parametrize(
    ("source", "said", "line"),
    [
        ("def f(:\n    pass\n", "SyntaxError: invalid syntax", 1),
        ("x = 1\nclass Stage(Missing):\n    pass\n", "NameError: name 'Missing' is not defined", 2),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0", 2),
        ("raise KeyboardInterrupt('mine')\n", "KeyboardInterrupt: mine", 1),
        ("import asyncio\nraise asyncio.CancelledError\n", "CancelledError", 2),
        ("import no_such_package\n", "No module named 'no_such_package'", 1),
        ("text = '\\x1b[31m' + 'x' * 10**6\nraise RuntimeError(text)\n", "RuntimeError: xxx", 2),
    ],
)
@pytest.mark.parametrize("way", [(), ("--simulate",)])
def test_whatever_a_stages_module_raises_is_told_with_file_and_line(
    source, said, line, way, tmp_path, monkeypatch
):
    """Also where nothing is trained: a plan, a simulation and `doctor` ask the same."""
    study = study_of(tmp_path, monkeypatch, f"{source}class Stage: ...\n")
    done = call_tuner("--space", study, "--runs-dir", tmp_path / "runs", *way)
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"error: the stage 'my_stage:Stage' cannot be imported: {said}")
    assert f" ({tmp_path}/my_stage.py:{line}). Fix: " in message
    assert "bug" not in message
    assert message.isprintable()
    assert len(message) < 1000
    assert not (tmp_path / "runs/last").exists()


@pytest.mark.parametrize("way", ["--plan", "--simulate"])
def test_a_parameter_that_an_own_stage_refuses_is_refused_by_a_plan_too(way, tmp_path, monkeypatch):
    source = (
        f"{STAGE}class Stage(SyntheticStage):\n"
        "    @classmethod\n"
        "    def check_parameters(cls, options, varying, fixed):\n"
        "        raise ValueError(f'no use for {varying[0]}. Fix: leave it out.')\n"
    )
    study = study_of(tmp_path, monkeypatch, source)
    done = call_tuner("--space", study, way)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"error: {study}: no use for batch_size. Fix: leave it out.\n"


def test_a_stage_that_cannot_be_pickled_is_told_before_ray_starts(tmp_path, monkeypatch):
    source = (
        f"{STAGE}import threading\n"
        "def make(lock):\n"
        "    class Stage(SyntheticStage):\n"
        "        held = lock\n"
        "    return Stage\n"
        "Stage = make(threading.Lock())\n"
    )
    done = call_tuner("--space", study_of(tmp_path, monkeypatch, source), "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert message.startswith("error: the stage 'my_stage:Stage' cannot be sent to a worker: ")
    assert "pickle '_thread.lock' object" in message
    assert "starting Ray" not in done.stdout


def test_a_module_that_only_a_worker_cannot_import_is_told_before_the_first_trial(
    tmp_path, monkeypatch, call_on_ray
):
    source = f"import os\nif os.getpid() != {os.getpid()}:\n    raise OSError('no license here')\n{STAGE}"
    study = study_of(tmp_path, monkeypatch, f"{source}class Stage(SyntheticStage):\n    pass\n")
    done = call_on_ray("--space", study, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2, done.stdout
    (message,) = done.stderr.splitlines()
    said = r"on a worker, the stage 'my_stage:Stage' cannot be imported: "
    assert re.match(f"error: {said}", message)
    assert "no license here" in message or "No module named 'my_stage'" in message
    assert not (tmp_path / "runs/last").exists()


def test_a_rule_whose_module_raises_is_told_with_file_and_line_too(tmp_path, monkeypatch):
    (tmp_path / "my_rule.py").write_text("LIMIT = 1 / 0\n")
    make_importable(monkeypatch, tmp_path, "my_rule")
    study = write_study(tmp_path, scheduler={"rule": "my_rule:Rule"})
    done = call_tuner("--space", study, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert "cannot be imported: ZeroDivisionError: division by zero" in message
    assert f"({tmp_path}/my_rule.py:1). Fix: correct that line." in message
