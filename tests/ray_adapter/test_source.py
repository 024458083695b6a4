"""The fingerprints of a stage's source, by which `--resume` sees that a stage has changed."""

import hashlib
import importlib

import pytest
from ray import tune

from tests.importing import make_importable
from tests.stages import SyntheticStage
from trainables.consistency.stage import ConsistencyStage
from tuner.ray_adapter.source import fingerprints


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """A stage that is nothing but a class of Ray's, in a project of its own."""
    (tmp_path / "law.py").write_text("def seconds(): ...")
    (tmp_path / "my_plain.py").write_text(
        "import law\nfrom ray import tune\nclass Plain(tune.Trainable): ..."
    )
    make_importable(monkeypatch, tmp_path, "my_plain", "law")
    return importlib.import_module("my_plain").Plain


def test_a_plain_trainable_has_its_modules_too(plain, tmp_path):
    assert plain.__bases__ == (tune.Trainable,)
    seen = fingerprints(plain, {}, ())
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("*.py")}
    assert seen == digests
    (tmp_path / "law.py").write_text("def seconds(): return 2")
    changed = fingerprints(plain, {}, ())
    assert [name for name in seen if seen[name] != changed[name]] == ["law.py"]


def test_what_measures_nothing_is_left_out(plain, tmp_path):
    assert list(fingerprints(plain, {}, [str(tmp_path / "law.py")])) == ["my_plain.py"]


def test_the_clock_and_the_base_class_are_part_of_the_stages_that_use_them():
    for stage in (ConsistencyStage, SyntheticStage):
        assert {"trainables/base.py", "trainables/telemetry/clock.py"} <= fingerprints(stage, {}, ()).keys()


def test_files_that_a_class_names_itself_are_known_below_their_common_folder(plain, tmp_path):
    for name in ("data/a.csv", "data/deep/b.csv", "data/law.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)

    class Own(plain):
        @classmethod
        def source_files(cls, options):
            names = (options["first"], "data/deep/b.csv", "data/law.py", "law.py")
            return [tmp_path / name for name in names]

    seen = fingerprints(Own, {"first": "data/a.csv"}, ())
    assert list(seen) == [str(tmp_path / "data/law.py"), "a.csv", "deep/b.csv", "law.py"]
    assert seen["law.py"] != seen[str(tmp_path / "data/law.py")]
