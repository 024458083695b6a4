"""A stage is found, and its class, without importing anything of it."""

import sys

import pytest

from tests.importing import make_importable
from tests.studies import make_study, study_dict
from tuner.commands.stage_check import check_stage
from tuner.errors import StageError

LAZY = "def __getattr__(name): ...\n"


def check(folder, monkeypatch, source, class_name="Mine"):
    (folder / "my_stage.py").write_text("raise RuntimeError('imported')\n" + source)
    make_importable(monkeypatch, folder, "my_stage")
    check_stage(make_study(stage=study_dict()["stage"] | {"class": f"my_stage:{class_name}"}))


@pytest.mark.parametrize(
    "source",
    [
        "class Mine: ...",
        "from elsewhere import Theirs as Mine",
        "import elsewhere\nMine = elsewhere.make()",
        "if True:\n    class Mine: ...",
        "try:\n    from a import Mine\nexcept ImportError:\n    Mine = None",
        "from elsewhere import *",
        LAZY,
        LAZY + "__all__ = ['Mine']",
        LAZY + "__all__ = ['Other']\n__all__ += more",
    ],
)
def test_a_class_that_the_module_binds_or_may_bind_is_accepted_and_nothing_is_imported(
    source, tmp_path, monkeypatch
):
    check(tmp_path, monkeypatch, source)
    assert "my_stage" not in sys.modules


@pytest.mark.parametrize(
    "source",
    ["class Other: ...", "Other = Mine", "def f():\n    class Mine: ...", LAZY + "__all__ = ['Other']"],
)
def test_a_class_that_the_module_does_not_bind_is_refused(source, tmp_path, monkeypatch):
    with pytest.raises(StageError, match="my_stage has no 'Mine'"):
        check(tmp_path, monkeypatch, source)


def test_a_module_that_python_cannot_read_is_refused_with_its_line(tmp_path, monkeypatch):
    with pytest.raises(
        StageError, match=r"imported: SyntaxError: .* \(.*/my_stage\.py:2\)\. Fix: correct that line"
    ):
        check(tmp_path, monkeypatch, "class Mine")


@pytest.mark.parametrize("module", ["no_such", "tests.no_such", "tests.stages.no_such", "math.no_such"])
def test_a_module_that_is_not_there_is_refused_by_name(module):
    with pytest.raises(StageError, match=f"there is no module '{module}'"):
        check_stage(make_study(stage=study_dict()["stage"] | {"class": f"{module}:Mine"}))


def test_a_module_in_folders_without_init_files_is_found(tmp_path, monkeypatch):
    (tmp_path / "my_space" / "inner").mkdir(parents=True)
    (tmp_path / "my_space" / "inner" / "stage.py").write_text("class Mine: ...")
    monkeypatch.syspath_prepend(tmp_path)
    check_stage(make_study(stage=study_dict()["stage"] | {"class": "my_space.inner.stage:Mine"}))


def test_a_modules_own_check_hears_the_options_and_the_names_of_the_parameters(tmp_path, monkeypatch):
    source = (
        "class Mine: ...\n"
        "def check_study(options, varying, fixed):\n"
        "    raise ValueError(f'{options} {varying} {fixed}. Fix: think.')\n"
    )
    (tmp_path / "my_stage.py").write_text(source)
    make_importable(monkeypatch, tmp_path, "my_stage")
    stage = study_dict()["stage"] | {"class": "my_stage:Mine", "options": {"a": 1}}
    with pytest.raises(StageError) as raised:
        check_stage(make_study(stage=stage))
    assert raised.value.message.endswith(
        ": {'a': 1, 'num_samples': 2000} ['batch_size', 'micro_batch', 'num_taus', 'accum_steps'] []."
    )
    assert raised.value.hint == "think."
