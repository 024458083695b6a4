"""Figures that a script logs to W&B: its runs' files are read while they are written, without W&B.

``wandb_runs`` holds files that W&B itself wrote offline: three epochs, the same run gone on with, and a run
of another id. Its ``record.py`` made them.
"""

import math
import os
import shutil
import struct
import zlib
from pathlib import Path

import pytest

from trainables.command.environment import script_environment
from trainables.command.options import CommandOptions
from trainables.command.output import OutputWatch
from trainables.command.sources import follow_wandb
from trainables.command.sources.record_file import MAX_RECORD, RecordFile
from trainables.command.sources.wandb_runs import figures_in

FIRST, RESUMED, SECOND = sorted((Path(__file__).parent / "wandb_runs").glob("offline-run-*"))
(RECORDING,) = FIRST.iterdir()
HEADER = RECORDING.read_bytes()[:7]


def records(path, *, is_end=True):
    return list(RecordFile(path).new(is_end=is_end))


def following(folder, key="eval/nrmse"):
    source = follow_wandb(folder, key)
    source._scanned_s = float("-inf")
    return source


def new(source, *, is_end=False):
    source._scanned_s = float("-inf")
    return [values for values, _ in source.poll(is_end=is_end)]


def begin(run, folder):
    """Puts the files of a recorded run below a folder, where W&B writes them."""
    return Path(shutil.copytree(run, folder / "wandb" / run.name))


def chunk(kind, data):
    checksum = zlib.crc32(data, zlib.crc32(bytes([kind])))
    return struct.pack("<IHB", checksum, len(data), kind) + data


def written(*chunks):
    return HEADER + b"".join(chunks)


def test_each_step_is_a_report_with_all_that_was_logged_for_it(tmp_path):
    source = following(tmp_path)
    assert new(source) == []
    begin(FIRST, tmp_path)
    found = new(source)
    assert [values["_step"] for values in found] == list(range(9))
    assert [values.get("train/loss") for values in found[:3]] == [1, 0.5, None]
    of_epochs = [values for values in found if "eval/nrmse" in values]
    assert [values["epoch"] for values in of_epochs] == [1, 2, 3]
    assert [values["eval/nrmse"] for values in of_epochs] == [0.5, 0.25, 0.375]
    assert [values["val"] for values in of_epochs] == [{"rmse": 2 * epoch, "rms": 4} for epoch in (1, 2, 3)]
    assert new(source) == new(source, is_end=True) == []
    assert source.why_nothing() == ""


def test_a_report_is_as_old_as_its_step(tmp_path):
    source = following(tmp_path)
    begin(FIRST, tmp_path)
    ages = [(values["_timestamp"], age_s) for values, age_s in source.poll(is_end=False)]
    assert all(age_s > 0 for _, age_s in ages)
    assert ages[0][1] - ages[-1][1] == pytest.approx(ages[-1][0] - ages[0][0], abs=0.5)


def test_the_epochs_count_and_not_the_minimum_that_w_and_b_keeps_for_its_summary(tmp_path):
    options = CommandOptions.parse(
        {"command": ["x"], "source": "wandb", "keys": {"nrmse": "eval/nrmse", "loss": "val.rmse / val.rms"}}
    )
    watch = OutputWatch(options, 3)
    watch.follow(tmp_path)
    begin(FIRST, tmp_path)
    found = [metrics for metrics, _ in watch.poll(0.0, is_end=True)]
    assert found == [
        {"nrmse": 0.5, "loss": 0.5},
        {"nrmse": 0.25, "loss": 1.0},
        {"nrmse": 0.375, "loss": 1.5},
    ]


@pytest.mark.parametrize("step", [1, 97, 4096])
def test_a_file_that_grows_gives_what_is_whole_and_all_of_it_once(tmp_path, step):
    content, path = RECORDING.read_bytes(), tmp_path / "run-first.wandb"
    path.touch()
    file, found = RecordFile(path), []
    for end in range(step, len(content) + step, step):
        with path.open("ab") as growing:
            growing.write(content[end - step : end])
        found += file.new(is_end=False)
    assert found == records(RECORDING)
    assert list(file.new(is_end=True)) == []


def test_records_that_no_block_holds_are_joined_and_a_block_may_end_in_padding(tmp_path):
    path = tmp_path / "run-1.wandb"
    first = b"a" * (32_768 - 7 - 7)  # fills the first block to its end
    short = b"c" * (32_768 - 7 - 3)  # leaves three bytes, in which no chunk can begin
    parts = [chunk(2, first), chunk(3, b"b" * (32_768 - 7)), chunk(4, b"b"), chunk(1, short[8:]), bytes(3)]
    path.write_bytes(written(*parts, chunk(1, b"d")))
    file = RecordFile(path)
    assert list(file.new(is_end=False)) == [first + b"b" * (32_768 - 7) + b"b", short[8:], b"d"]
    for more in (chunk(2, b"e"), chunk(4, b"f")):
        with path.open("ab") as growing:
            growing.write(more)
        found = list(file.new(is_end=False))
    assert found == [b"ef"]
    assert list(file.new(is_end=True)) == []


def test_a_record_that_is_longer_than_figures_are_is_passed_over(tmp_path):
    path = tmp_path / "run-1.wandb"
    room, blocks = 32_768 - 7, MAX_RECORD // 32_768 + 2
    middle = [chunk(3, bytes(room))] * blocks
    path.write_bytes(written(chunk(2, bytes(room - 7)), *middle, chunk(4, b""), chunk(1, b"next")))
    assert records(path) == [b"next"]


@pytest.mark.parametrize("damage", [b"\0", b"\xff"])
def test_bytes_that_do_not_fit_their_checksum_wait_and_are_an_error_at_the_end(tmp_path, damage):
    """Some file systems show how long a file is before what is in it."""
    path, content = tmp_path / "run-1.wandb", RECORDING.read_bytes()
    path.write_bytes(content[:3000] + damage * 1000)
    file = RecordFile(path)
    found = list(file.new(is_end=False))
    path.write_bytes(content)
    assert found + list(file.new(is_end=False)) == records(RECORDING)
    path.write_bytes(content[:3000] + bytes(len(content) - 3000))
    with pytest.raises(ValueError, match=r"is damaged from byte \d+ on\. Fix: see that its disk is not full"):
        records(path)


def test_a_run_that_was_cut_off_gives_what_it_has(tmp_path):
    source = following(tmp_path)
    (path,) = begin(FIRST, tmp_path).iterdir()
    os.truncate(path, path.read_bytes().rindex(b"0.375"))
    assert [values["epoch"] for values in new(source, is_end=True) if "eval/nrmse" in values] == [1, 2]


@pytest.mark.parametrize("content", [b"PK\x03\x04 is no such file", HEADER[:-1] + b"\x01"])
def test_another_file_is_refused(tmp_path, content):
    source = following(tmp_path)
    (tmp_path / "run-1.wandb").write_bytes(content)
    with pytest.raises(ValueError, match=r"no file of W&B's records.* Fix: correct option file"):
        new(source)


def test_a_record_that_is_none_is_refused():
    with pytest.raises(ValueError, match="none that W&B writes"):
        figures_in(b"\x12\x03\x0a\x01\x0f")


def test_a_run_that_is_gone_on_with_is_the_same_and_what_is_no_number_is_seen_as_logged(tmp_path):
    source = following(tmp_path)
    begin(FIRST, tmp_path)
    num = len(new(source))
    begin(RESUMED, tmp_path)
    nan, inf = new(source, is_end=True)
    assert num == 9
    assert math.isnan(nan["eval/nrmse"])
    assert (inf["eval/nrmse"], inf["none"], inf["text"]) == (math.inf, None, "x")


def test_two_runs_with_the_figure_are_refused_and_one_without_it_is_not(tmp_path):
    source, other = following(tmp_path), following(tmp_path, "train/loss")
    for run in (FIRST, SECOND):
        begin(run, tmp_path)
    assert len(new(other, is_end=True)) == 10
    with pytest.raises(ValueError, match=r"first and second both logged 'eval/nrmse'\. Fix: .*rank 0 only"):
        new(source)


def test_what_was_there_before_the_script_and_the_link_to_the_latest_run_do_not_count(tmp_path):
    begin(SECOND, tmp_path)
    source = following(tmp_path)
    run = begin(FIRST, tmp_path)
    (tmp_path / "wandb" / "latest-run").symlink_to(run.name)
    assert len(new(source, is_end=True)) == 9


@pytest.mark.parametrize("key", ["final.nrmse", "final.nrmse / 1"])
def test_what_the_script_wrote_into_the_summary_is_a_report_at_the_end(tmp_path, key):
    source = following(tmp_path, key)
    begin(FIRST, tmp_path)
    assert len(new(source)) == 9
    (report,) = new(source, is_end=True)
    assert report == {"final": {"nrmse": 0.125}, "note": "best", "own": {"nrmse": 0.125}}


def test_what_it_wrote_there_does_not_count_if_steps_have_the_figure(tmp_path):
    source = following(tmp_path, "own.nrmse")
    begin(FIRST, tmp_path)
    found = [values["own"]["nrmse"] for values in new(source) if "own" in values]
    assert found == [0.5, 0.25, 0.375]
    assert new(source, is_end=True) == []


def test_figures_of_several_steps_are_not_joined(tmp_path):
    source = following(tmp_path, "'train/loss' / epoch")
    begin(FIRST, tmp_path)
    assert len(new(source)) == 9
    assert new(source, is_end=True) == []


def test_a_figure_that_is_missing_is_told_with_the_names_of_all_steps(tmp_path):
    source = following(tmp_path, "nrmse")
    begin(FIRST, tmp_path)
    assert len(new(source)) == 9
    (names,) = new(source, is_end=True)
    assert set(names) == {"final", "note", "own", "train/loss", "eval/nrmse", "val", "epoch", "hist"}


def test_typed_values_of_an_item_are_read_too():
    """Newer versions may write them in place of JSON; W&B's own schema makes the record."""
    messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    record = messages.Record(num=3)
    typed = {"none": 0, "boolean": True, "integer": -3, "number": 0.5, "text": "x", "json": "[NaN]"}
    for name, value in typed.items():
        record.history.item.add(nested_key=["of", name], **{name: value})
    field, values = figures_in(record.SerializeToString())
    assert (field, str(values)) == (
        2,
        "{'of': {'none': None, 'boolean': True, 'integer': -3, 'number': 0.5, 'text': 'x', 'json': [nan]}}",
    )


def test_no_run_and_a_run_without_figures_are_told_with_the_fix(tmp_path):
    source = following(tmp_path)
    assert new(source, is_end=True) == []
    assert "no W&B run began below" in source.why_nothing()
    (tmp_path / "run-1.wandb").touch()
    assert new(source, is_end=True) == []
    assert "got no figure. Fix: have the script log them" in source.why_nothing()


def options(**others):
    return CommandOptions.parse({"command": ["x"], "source": "wandb", **others})


def test_the_script_writes_into_the_trials_folder_and_sends_nothing(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_DIR", "/shared")
    found = script_environment(options(), {"dir": "/trial"})
    assert (found["WANDB_MODE"], found["WANDB_DIR"]) == ("offline", "/trial")
    assert found["WANDB_ERROR_REPORTING"] == "false"
    other = script_environment(CommandOptions.parse({"command": ["x"]}), {"dir": "/trial"})
    assert (other["WANDB_MODE"], other["WANDB_DIR"]) == ("online", "/shared")


def test_option_file_and_env_say_the_folder_and_env_wins():
    assert options().file == "{dir}"
    assert options(env={"WANDB_DIR": "{dir}/runs"}).file == "{dir}/runs"
    found = script_environment(options(file="{dir}/a"), {"dir": "/t"})
    assert found["WANDB_DIR"] == "/t/a"
    both = options(file="{dir}/a", env={"WANDB_DIR": "{dir}", "WANDB_MODE": "online"})
    found = script_environment(both, {"dir": "/t"})
    assert (both.file, found["WANDB_DIR"], found["WANDB_MODE"]) == ("{dir}/a", "/t", "online")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"env": {"WANDB_MODE": "disabled"}}, "nothing is uploaded"),
        ({"env": "x"}, "map names to text"),
        ({"file": None}, "stage option file=None"),
        ({"env": {"WANDB_DIR": 3}, "file": 4}, "stage option file=4"),
        ({"file_format": "csv"}, "it goes with source: file"),
        ({"evaluate": ["y", "{epoch}"]}, "written too late"),
    ],
)
def test_what_cannot_be_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        options(**wrong)
