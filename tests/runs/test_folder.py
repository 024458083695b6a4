"""Run folders and whole files."""

from datetime import UTC, datetime

import pytest

from tuner.errors import RecordsError
from tuner.runs.folder import create_run_folder, write_atomically

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def test_runs_of_the_same_second_get_folders_of_their_own_and_last_points_to_the_newest(tmp_path):
    first = create_run_folder(tmp_path / "runs", "a100", NOON)
    second = create_run_folder(tmp_path / "runs", "a100", NOON)
    assert first.name == "a100-20260102-120000"
    assert second.name == "a100-20260102-120000-2"
    assert (tmp_path / "runs/last").resolve() == second


def test_a_file_called_last_is_left_alone(tmp_path):
    (tmp_path / "last").write_text("mine")
    create_run_folder(tmp_path, "a100", NOON)
    assert (tmp_path / "last").read_text() == "mine"


def test_a_place_that_cannot_hold_runs_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsError, match="--runs-dir"):
        create_run_folder(tmp_path / "file", "a100", NOON)


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path):
    (tmp_path / "result.json").mkdir()
    with pytest.raises(RecordsError, match="the journal beside it holds everything"):
        write_atomically(tmp_path / "result.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
