"""A bug is told in one line, and its traceback is kept where it can be."""

import errno
import os
import tempfile

import pytest

from tuner.errors import InternalError, MachineError, SpecError
from tuner.runs.unexpected import as_tuner_error


class MuteError(Exception):
    """One that cannot even be printed."""

    def __str__(self):
        raise RuntimeError("no words")


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_what_is_told_already_stays_as_it_is(tmp_path):
    error = SpecError("wrong.", "mend it.")
    assert as_tuner_error(error, tmp_path) is error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("math domain error"), "ValueError: math domain error (test_unexpected.py, line "),
        (KeyError("a\nb\x07"), r"KeyError: 'a\nb\x07' (test_unexpected.py, line "),
        (RuntimeError("two\nlines\x07"), "RuntimeError: two lines (test_unexpected.py, line "),
        (AssertionError(), "AssertionError (test_unexpected.py, line "),
        (MuteError(), "MuteError (test_unexpected.py, line "),
        (RuntimeError("x" * 5000), f"RuntimeError: {'x' * 285}… (test_unexpected.py, line "),
    ],
)
def test_any_exception_is_one_line_with_type_message_and_place(error, line, tmp_path):
    told = as_tuner_error(raised(error), tmp_path)
    assert isinstance(told, InternalError)
    assert told.exit_code == 2
    assert str(told).startswith(line)
    assert "\n" not in str(told)
    assert str(told).isprintable()
    assert "Traceback (most recent call last):" in (tmp_path / "errors/driver.txt").read_text()


def test_the_tracebacks_of_a_run_are_all_kept(tmp_path):
    for error in (ValueError("the first"), KeyError("the second")):
        as_tuner_error(raised(error), tmp_path)
    text = (tmp_path / "errors/driver.txt").read_text()
    assert text.index("the first") < text.index("the second")


def test_a_traceback_that_the_runs_folder_cannot_take_goes_to_the_temporary_one_or_into_the_message(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = tmp_path / "run"  # not there
    told = as_tuner_error(raised(ValueError("no room")), run)
    (kept,) = tmp_path.iterdir()
    assert f"Its traceback is in {kept}." in str(told)
    assert "ValueError: no room" in kept.read_text()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    told = as_tuner_error(raised(ValueError("no room")), run)
    assert "could not be saved:\nTraceback" in str(told)


def refused(number, *names):
    return OSError(number, os.strerror(number), *names)


@pytest.mark.parametrize(
    ("error", "said", "fix"),
    [
        (refused(errno.EACCES, "/a/b"), "/a/b: Permission denied.", "give this user the right to it"),
        (refused(errno.EROFS, b"/a/b"), "/a/b: Read-only file system.", "mount the disk writable"),
        (refused(errno.ENOSPC, "/a\n/b"), "/a /b: No space left on device.", "free some space"),
        (refused(errno.EMFILE), "a file or device: Too many open files.", "raise the limit of open files"),
    ],
)
def test_what_the_system_refuses_is_no_bug_and_names_file_reason_and_fix(error, said, fix, tmp_path):
    told = as_tuner_error(raised(error), tmp_path)
    assert isinstance(told, MachineError)
    assert told.exit_code == 2
    assert told.message == f"{said} Its traceback is in {tmp_path}/errors/driver.txt."
    assert told.hint.startswith(fix)
    assert told.hint.endswith(f", then `--resume {tmp_path}` continues the run.")
    assert "bug" not in str(told)
    assert as_tuner_error(error).message == said  # without a run there is no place to look at a traceback


def test_a_file_that_the_system_does_not_name_is_that_of_the_innermost_function_that_has_one(tmp_path):
    def write(path):
        with path.open("w") as file:
            _break()
            file.write("never")

    def _break():
        raise refused(errno.EIO)

    def look(path):
        raise refused(errno.EIO)

    for work in (write, look):
        with pytest.raises(OSError, match="Input/output error") as caught:
            work(tmp_path / "data.bin")
        assert as_tuner_error(caught.value).message == f"{tmp_path}/data.bin: Input/output error."


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "No such file", "x"), OSError("odd")])
def test_an_error_of_the_system_that_a_program_can_foresee_is_a_bug(error, tmp_path):
    assert isinstance(as_tuner_error(raised(error), tmp_path), InternalError)
