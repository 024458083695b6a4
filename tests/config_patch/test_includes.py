"""A key that lives in an included file is overridden in the file that includes it, in the right section."""

from pathlib import Path

import pytest

import config_patch
from config_patch import ConfigPatchError, MissingKeyError, included_by

MAIN = """\
include: base.yaml   # as it comes

training:
  micro: 3
  # how many
  workers: 8

stages:
  operator:
    epochs: 48

logging: {run: x}
"""
BASE = "include: defaults\ntraining: {taus: 5, micro: 1}\nstages:\n  distill:\n    batch_size: 6\n"
DEFAULTS = "training:\n  accum: 1\nseed: 17\n"


@pytest.fixture
def main(tmp_path):
    for name, text in {"main.yaml": MAIN, "base.yaml": BASE, "defaults.yaml": DEFAULTS}.items():
        (tmp_path / name).write_text(text)
    return tmp_path / "main.yaml"


def test_includes_are_followed_from_file_to_file(main):
    folder = main.parent
    assert included_by(main) == {folder / "base.yaml": BASE, folder / "defaults.yaml": DEFAULTS}
    assert included_by(folder / "base.yaml") == {folder / "defaults.yaml": DEFAULTS}
    assert included_by(folder / "defaults.yaml") == {}


def test_an_override_is_written_after_the_last_key_of_its_section(main):
    values = {
        "training.micro": 4,
        "training.taus": 2,
        "training.accum": 2,
        "stages.distill.batch_size": 12,
        "seed": 1,
    }
    after, changes = config_patch.patch(MAIN, values, main, included=included_by(main))
    assert after == (
        MAIN.replace("micro: 3", "micro: 4")
        .replace("  workers: 8\n", "  workers: 8\n  taus: 2\n  accum: 2\n")
        .replace("    epochs: 48\n", "    epochs: 48\n  distill:\n    batch_size: 12\n")
        + "seed: 1\n"
    )
    assert [change.before for change in changes] == ["3", "5", "1", "6", "17"], "as an included file has them"


def test_a_key_that_an_included_file_has_with_this_value_stays_there(main):
    values = {"training.taus": 5, "training.accum": 2, "seed": 17}
    after, [change] = config_patch.patch(MAIN, values, main, included=included_by(main))
    assert after == MAIN.replace("  workers: 8\n", "  workers: 8\n  accum: 2\n")
    assert (change.key, change.was, change.after) == ("training.accum", "1", "2")
    assert config_patch.patch(MAIN, {"seed": 17}, main, included=included_by(main)) == (MAIN, [])


def test_where_included_files_differ_a_key_is_written_on_top_and_nobody_says_what_it_was(tmp_path):
    (tmp_path / "a.yaml").write_text("x: 1\n")
    (tmp_path / "b.yaml").write_text("x: 2\n")
    main = tmp_path / "main.yaml"
    main.write_text("include: [a, b]\n")
    after, [change] = config_patch.patch(main.read_text(), {"x": 1}, main, included=included_by(main))
    assert after.endswith("x: 1\n")
    assert (change.before, change.was) == (None, "(not there)")


def test_a_key_that_no_file_has_is_refused_and_all_files_are_named(main):
    with pytest.raises(
        MissingKeyError, match=r"no key 'training\.tau' in it, nor in .*base\.yaml, .*defaults"
    ):
        config_patch.patch(MAIN, {"training.tau": 2}, main, included=included_by(main))
    with pytest.raises(ConfigPatchError, match=r"base\.yaml:4: stages\.distill is not a single value"):
        config_patch.patch(MAIN, {"stages.distill": 2}, main, included=included_by(main))


def test_files_that_include_each_other_and_lists_of_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.yaml").write_text("include: [sub/b.yml, none.yaml, 3, '*.png']\n")
    (tmp_path / "sub/b.yml").write_text("include: ../a\nx: 1\n")
    assert list(included_by(tmp_path / "a.yaml")) == [tmp_path / "sub/b.yml"]


@pytest.mark.parametrize(
    "content", [b"a: [\n", b"\xff", b"- include\n", b"", b"include: {x: 1}\n", b"!x {include: 1}"]
)
def test_what_includes_nothing_is_no_mistake(tmp_path, content):
    (tmp_path / "a.yaml").write_bytes(content)
    (tmp_path / "a.json").write_bytes(b'{"include": "a.yaml"}')
    assert included_by(tmp_path / "a.yaml") == included_by(tmp_path / "a.json") == {}


def test_an_included_file_that_is_not_text_is_an_error(tmp_path):
    (tmp_path / "a.yaml").write_text("include: b\n")
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        included_by(Path(tmp_path / "a.yaml"))
