"""The files that are a stage's own source, as it says itself."""

import importlib

import pytest

from tests.stages import SyntheticStage
from trainables.command import source
from trainables.command.stage import CommandStage
from trainables.consistency.stage import ConsistencyStage


def names(files):
    return {path.name for path in files}


def test_a_class_in_a_package_has_every_module_beside_its_own(monkeypatch, tmp_path):
    found = ConsistencyStage.source_files({})
    assert {"stage.py", "engine.py", "options.py", "__init__.py"} <= names(found)
    assert {"base.py", "clock.py", "gpu.py"} <= names(found)
    assert all(path.is_file() for path in found)
    (tmp_path / "other.py").touch()
    (tmp_path / "lone_stage.py").write_text(
        "from tests.stages import SyntheticStage\nclass Lone(SyntheticStage): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    lone = importlib.import_module("lone_stage").Lone
    assert {"lone_stage.py", "stages.py", "base.py"} <= names(lone.source_files({}))
    assert "other.py" not in names(lone.source_files({}))
    assert "stages.py" in names(SyntheticStage.source_files({}))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a script and everything that may lie beside one."""
    for path in (
        *("train.py", "run.sh", "base.yaml", "data.bin", "notes.txt", "lib/law.py", "lib/deep/er.py"),
        *("pkg/__init__.py", "pkg/model.py", "__pycache__/a.py", ".hidden/b.py", "site-packages/c.py"),
        *("env/pyvenv.cfg", "env/d.py", "conda/conda-meta/history", "conda/e.py", "kept/trial-1/f.py"),
        *("runs/one/journal.jsonl", "runs/one/g.py", "elsewhere/h.py"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "elsewhere/link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ALL = {"train.py", "lib/law.py", "lib/deep/er.py", "pkg/__init__.py", "pkg/model.py", "elsewhere/h.py"}


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["{python}", "train.py", "{micro_batch}"], ALL),
        (["bash", "run.sh", "--out=data.bin"], ALL | {"run.sh", "data.bin"}),
        (["{python}", "lib/law.py", "--config", "base.yaml"], {"lib/law.py", "lib/deep/er.py", "base.yaml"}),
        (
            ["{python}", "-m", "pkg.model", "--config=base.yaml"],
            {"pkg/__init__.py", "pkg/model.py", "base.yaml"},
        ),
        (["{python}", "-c", "x" * 5000, "a\0b"], set()),
    ],
)
def test_a_scripts_source_is_what_its_words_name_and_the_python_files_below_it(project, command, found):
    files = CommandStage.source_files({"command": command, "logs": "kept"})
    assert {str(path) for path in files} == found


def test_the_config_file_belongs_to_it(project):
    files = CommandStage.source_files({"command": ["true"], "config": "base.yaml"})
    assert {str(path) for path in files} == {"base.yaml"}


def test_below_a_folder_of_very_many_files_only_those_in_it_are_looked_at(project, monkeypatch):
    monkeypatch.setattr(source, "MAX_FOUND", 3)
    files = CommandStage.source_files({"command": ["{python}", "train.py"], "logs": "kept"})
    assert {str(path) for path in files} == {"train.py"}


def test_runs_from_another_start_checkpoint_are_not_of_equal_quality(project, monkeypatch):
    """What a trial's working folder copies counts by its content, a large file by its size and ends."""
    monkeypatch.setattr(source, "MAX_WHOLE", 8)
    monkeypatch.setattr(source, "PART", 3)
    folder = project / "before"
    (folder / "deep").mkdir(parents=True)
    options = {"command": ["true"], "workdir": {"copy": ["before", "absent"], "link": ["lib"]}}

    def said(name, content):
        (folder / name).write_bytes(content)
        return CommandStage.quality_options(options)["workdir"]

    small, large = said("a.pt", b"1234"), said("deep/b.pt", b"123456789")
    assert small["link"] == ["lib"]
    seen = [small, large, said("a.pt", b"1235"), said("deep/b.pt", b"123456780"), said("c.pt", b"")]
    assert len({str(one) for one in seen}) == len(seen)
    assert said("deep/b.pt", b"123450780") == seen[-1]
    assert options["workdir"]["copy"] == ["before", "absent"]
