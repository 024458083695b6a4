"""A folder for each trial that runs or is to be asked again, and for no other."""

import pytest

from tests.studies import make_study
from tuner.advisor import Run
from tuner.core.trial import Purpose
from tuner.runs.checkpoints import Checkpoints


def run(trial_id, resumed_from="", from_epoch=0):
    return Run(
        trial_id=trial_id,
        config=make_study().baseline,
        seed=0,
        num_epochs=6,
        purpose=Purpose.SEARCH,
        resumed_from=resumed_from,
        from_epoch=from_epoch,
    )


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path)


def test_the_newest_epoch_is_found_whatever_else_a_crash_left(checkpoints):
    folder = checkpoints.open(run("0001"))
    assert checkpoints.epoch_of("0001") == 0
    for name in ("epoch-9.pkl", "epoch-10.pkl", ".draft", "epoch-11.pkl.part", "notes"):
        (folder / name).touch()
    assert checkpoints.epoch_of("0001") == 10
    assert checkpoints.epoch_of("0002") == 0


def test_a_trial_that_goes_on_takes_over_the_folder_of_the_lost_one(checkpoints, tmp_path):
    (checkpoints.open(run("0001")) / "epoch-4.pkl").write_text("state")
    folder = checkpoints.open(run("0002", "0001", 4))
    assert folder == tmp_path / "checkpoints/0002"
    assert (folder / "epoch-4.pkl").read_text() == "state"
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["0002"]
    assert checkpoints.epoch_of("0002") == 4


def test_a_trial_that_begins_anew_finds_an_empty_folder(checkpoints):
    """The same id may have been used by a process whose last words were never written."""
    (checkpoints.open(run("0001")) / "epoch-4.pkl").touch()
    assert not list(checkpoints.open(run("0001")).iterdir())
    assert checkpoints.open(run("0003", "0002", 4)).is_dir(), "what it was to go on from has gone"


def test_what_is_of_no_use_any_more_goes_and_the_folder_with_the_last(checkpoints, tmp_path):
    for trial_id in ("0001", "0002"):
        (checkpoints.open(run(trial_id)) / "epoch-1.pkl").touch()
    checkpoints.keep_only({"0002"})
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["0002"]
    checkpoints.keep_only(())
    assert not list(tmp_path.iterdir())
    checkpoints.keep_only(())


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    checkpoints = Checkpoints(tmp_path)
    assert not checkpoints.open(run("0001")).is_dir()
    assert checkpoints.epoch_of("0001") == 0
    checkpoints.keep_only(())
