"""A bug is told in one line, and its traceback is kept where it can be."""

import tempfile

import pytest

from tuner.errors import InternalError, SpecError
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
