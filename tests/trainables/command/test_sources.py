"""Files that a script writes, looked at while they are written: what is new, and only that."""

import os
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from trainables.command.sources import follow_file, follow_tensorboard
from trainables.command.sources.followed import MAX_BYTES


def new(source, *, is_end=False):
    return [values for values, _ in source.poll(is_end=is_end)]


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def rewrite(path, text):
    """Writes another file with that name, as careful programs do."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").replace(path)


def test_a_line_is_read_once_and_when_it_is_complete(tmp_path):
    path = tmp_path / "m.jsonl"
    source = follow_file(path, "jsonl")
    assert new(source) == []
    append(path, '{"nrmse": 1}\n{"nrm')
    assert new(source) == [{"nrmse": 1}]
    assert new(source) == []
    append(path, 'se": 2}')
    assert new(source) == []
    append(path, "\r\n\n")
    assert new(source) == [{"nrmse": 2}]
    append(path, 'epoch 3: {"nrmse": 3}')
    assert new(source, is_end=True) == [{"nrmse": 3}]


def test_a_table_is_read_row_by_row_as_numbers_where_they_are_and_without_empty_cells(tmp_path):
    path = tmp_path / "m.csv"
    source = follow_file(path, "csv")
    append(path, "\ufeffepoch, val nrmse ,note")
    assert new(source) == []
    append(path, "\n1,0.5,\n2,,late\n3,na")
    assert new(source) == [{"epoch": 1, "val nrmse": 0.5}, {"epoch": 2, "note": "late"}]
    append(path, 'n,"a, b"\n')
    (row,) = new(source)
    assert str(row) == "{'epoch': 3.0, 'val nrmse': nan, 'note': 'a, b'}"


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_may_be_separated_by_semicolons_or_tabs(tmp_path, separator):
    source = follow_file(tmp_path / "m", "csv")
    (tmp_path / "m").write_text(f"epoch{separator}nrmse\n1{separator}2\n")
    assert new(source) == [{"epoch": 1, "nrmse": 2}]


@pytest.mark.parametrize("write", [rewrite, Path.write_text])
@pytest.mark.parametrize(
    ("suffix", "texts"),
    [
        ("jsonl", ['{"e": 1}\n', '{"e": 1}\n{"e": 2}\n', '{"e": 1}\n{"e": 2}\n{"e": 3}\n']),
        ("jsonl", ['{"e": 1}\n', '{"e": 2}\n', '{"e": 3}\n']),
        ("csv", ["e\n1\n", "e\n1\n2\n", "e\n1\n2\n3\n"]),
        ("csv", ["e\n1\n", "e,x\n1,\n2,\n", "e,x\n1,\n2,\n3,\n"]),  # a column that comes later
        ("csv", ["e\n1\n", "e\n2\n", "e\n3\n"]),
        ("json", ['{"e": 1}', '{\n "e": 2\n}', '{"e": 3}']),
        ("json", ['[{"e": 1}]', '[{"e": 1}, {"e": 2}]', '[{"e": 1}, {"e": 2}, {"e": 3}]']),
        ("json", ['{"e": 1}\n', '{"e": 1}\n{"e": 2}\n', '{"e": 1}\n{"e": 2}\n{"e": 3}']),
    ],
)
def test_a_file_that_is_written_anew_as_a_whole_gives_what_is_new_in_it(tmp_path, write, suffix, texts):
    path = tmp_path / "m"
    source = follow_file(path, suffix)
    found = []
    for text in texts:
        write(path, text)
        found += new(source)
    assert found + new(source, is_end=True) == [{"e": 1}, {"e": 2}, {"e": 3}]


@pytest.mark.parametrize("half", ["", "e\n", "e\n1\n"])
def test_a_table_that_is_half_written_anew_gives_nothing_twice(tmp_path, half):
    path = tmp_path / "m"
    source = follow_file(path, "csv")
    path.write_text("e\n1\n2\n")
    assert new(source) == [{"e": 1}, {"e": 2}]
    path.write_text(half)
    assert new(source) == []
    append(path, "e\n1\n2\n3\n"[len(half) :])
    assert new(source, is_end=True) == [{"e": 3}]


def test_a_document_that_is_half_written_waits_and_one_that_says_the_same_is_not_new(tmp_path):
    path = tmp_path / "m.json"
    source = follow_file(path, "json")
    for half in ('{\n "val": {"nrmse": 1},', "[\n", '[\n{"nrmse": 1}\n', '{"nrmse"'):
        path.write_text(half)
        assert new(source) == []
    for _ in range(2):
        path.write_text('{"nrmse": 1}')
        os.utime(path)
    assert [*new(source), *new(source, is_end=True)] == [{"nrmse": 1}]


@pytest.mark.parametrize(
    ("suffix", "old", "added"),
    [("jsonl", '{"e": 1}\n', '{"e": 2}\n'), ("csv", "e\n1\n", "2\n")],
)
def test_what_was_there_before_the_script_is_not_its_own(tmp_path, suffix, old, added):
    path = tmp_path / "m"
    path.write_text(old)
    appended, rewritten = follow_file(path, suffix), follow_file(path, suffix)
    assert new(appended) == new(appended, is_end=True) == []
    assert "is older than the script" in appended.why_nothing()
    appended = follow_file(path, suffix)
    append(path, added)
    assert new(appended) == [{"e": 2}]
    rewrite(path, old)  # the same lines, by this script
    assert new(rewritten) == [{"e": 1}]


def test_an_old_document_counts_once_the_script_has_written_it_again(tmp_path):
    path = tmp_path / "m.json"
    path.write_text('{"nrmse": 1}')
    source = follow_file(path, "json")
    assert new(source, is_end=True) == []
    rewrite(path, '{"nrmse": 1}')
    assert new(source, is_end=True) == [{"nrmse": 1}]


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv"])
def test_more_than_metrics_can_be_is_refused(tmp_path, suffix):
    source = follow_file(tmp_path / "m", suffix)
    with (tmp_path / "m").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match=r"64 MiB that are new.* Fix: have the script write its metrics to"):
        new(source)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv"])
def test_a_file_without_figures_is_told_as_such(tmp_path, suffix):
    source = follow_file(tmp_path / "m", suffix)
    assert "cannot be read (No such file or directory)" in source.why_nothing()
    (tmp_path / "m").write_text("x")
    assert new(source, is_end=True) == []
    assert "has no " in source.why_nothing()
    folder = follow_file(tmp_path, suffix)
    assert new(folder, is_end=True) == []
    assert "cannot be read (Is a directory)" in folder.why_nothing()


class Writer:
    """TensorBoard's own writer, one scalar an event, as torch's SummaryWriter does."""

    def __init__(self, folder):
        self._writer = EventFileWriter(str(folder))

    def scalar(self, tag, value, step, wall_s=0.0):
        self.value(Summary.Value(tag=tag, simple_value=value), step, wall_s)

    def value(self, value, step, wall_s=0.0):
        self._writer.add_event(Event(wall_time=wall_s, step=step, summary=Summary(value=[value])))
        self._writer.flush()


def following(folder, *others):
    source = follow_tensorboard(folder, ["val/nrmse"], others)
    source._scanned_s = float("-inf")
    return source


def test_a_step_needs_every_scalar_from_which_the_nrmse_is_worked_out(tmp_path):
    source = follow_tensorboard(tmp_path, ["rmse", "rms"], [])
    writer = Writer(tmp_path)
    writer.scalar("rms", 4, 0)
    writer.scalar("rmse", 1, 1)
    writer.scalar("rmse", 2, 2)
    source._scanned_s = float("-inf")
    assert new(source) == []
    writer.scalar("rms", 4, 2)
    assert new(source) == [{"rmse": 2, "rms": 4}]


def test_scalars_of_several_steps_are_not_joined_at_the_end_either(tmp_path):
    source = follow_tensorboard(tmp_path, ["rmse", "rms"], [])
    writer = Writer(tmp_path)
    writer.scalar("rms", 4, 0)
    writer.scalar("rmse", 1, 1)
    assert new(source, is_end=True) == []


def test_each_step_with_an_nrmse_is_a_report_with_what_was_logged_for_that_step(tmp_path):
    source = follow_tensorboard(tmp_path / "tb", ["val/nrmse"], ["loss"])
    assert new(source) == []
    writer = Writer(tmp_path / "tb" / "version_0")
    for step in range(3):
        writer.scalar("loss", 9, step)
    writer.scalar("val/nrmse", 0.5, 2)
    writer.scalar("val/nrmse", 0.25, 4)
    assert new(following(tmp_path / "nothing")) == []
    source._scanned_s = float("-inf")
    assert new(source) == [{"loss": 9, "val/nrmse": 0.5}]  # the last step still waits for its loss
    writer.scalar("loss", 8, 4)
    writer.scalar("lr", 1, 4)
    assert new(source) == [{"val/nrmse": 0.25, "loss": 8}]
    writer.scalar("val/nrmse", 0.125, 5)
    assert new(source) == []
    assert new(source, is_end=True) == [{"val/nrmse": 0.125}]


@pytest.mark.parametrize(
    "tensor",
    [
        TensorProto(dtype=1, float_val=[0.5]),
        TensorProto(dtype=2, double_val=[0.5]),
        TensorProto(dtype=1, tensor_content=b"\x00\x00\x00\x3f"),
    ],
)
def test_scalars_as_tensorflow_2_writes_them_are_read_and_other_tensors_passed_over(tmp_path, tensor):
    source = following(tmp_path)
    writer = Writer(tmp_path)
    writer.value(Summary.Value(tag="val/nrmse", tensor=TensorProto(dtype=7, string_val=[b"text"])), 1)
    writer.value(Summary.Value(tag="val/nrmse", tensor=TensorProto(dtype=1, float_val=[1, 2])), 1)
    writer.value(Summary.Value(tag="x", image=Summary.Image(encoded_image_string=b"x" * 2**21)), 1)
    writer.value(Summary.Value(tag="val/nrmse", tensor=tensor), 1)
    assert new(source, is_end=True) == [{"val/nrmse": 0.5}]


def test_an_event_that_is_half_written_waits_and_older_files_do_not_count(tmp_path):
    Writer(tmp_path).scalar("val/nrmse", 9, 1)
    source = following(tmp_path)
    Writer(tmp_path / "whole").scalar("val/nrmse", 0.5, 1)
    (whole,) = (tmp_path / "whole").iterdir()
    content = whole.read_bytes()
    whole.unlink()
    half = tmp_path / "events.out.tfevents.1.host"
    half.write_bytes(content[:-1])
    assert new(source) == []
    half.write_bytes(content)
    assert new(source) == [{"val/nrmse": 0.5}]


def test_a_step_that_comes_twice_is_refused_with_the_fix(tmp_path):
    source = following(tmp_path)
    for rank in "01":
        Writer(tmp_path / rank).scalar("val/nrmse", 0.5, 1)
    with pytest.raises(
        ValueError, match=r"came twice for step 1.* Fix: let option file name the folder of one"
    ):
        new(source, is_end=True)


def test_a_folder_without_the_tag_tells_those_it_has(tmp_path):
    source = following(tmp_path)
    assert "no event file below" in source.why_nothing()
    Writer(tmp_path).scalar("eval/nrmse", 0.5, 1)
    assert new(source) == []
    assert new(source, is_end=True) == [{"eval/nrmse": 0.5}]
    assert source.why_nothing() == ""
