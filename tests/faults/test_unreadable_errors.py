"""An exception that Ray cannot carry from the worker to the driver is told by its own type and text."""

import pytest

from tests.ray_adapter.test_trials import run_on_ray
from tests.studies import make_study, study_dict
from tuner.errors import StageError
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.place import Place
from tuner.ray_adapter.stages import prepare

pytestmark = pytest.mark.usefixtures("ray_resources")


def study_of(name):
    return make_study(stage=study_dict()["stage"] | {"class": f"tests.faults.unreadable:{name}"})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("RaisesTwoArguments", "TwoArgumentsError: a bad row in data.npz"),
        ("RaisesTwoArgumentsInSetup", "TwoArgumentsError: a bad row in data.npz"),
        ("RaisesALock", "HoldsALockError: a bad row"),
        ("RaisesOnlyHere", "OnlyHereError: a bad row"),
    ],
)
def test_an_exception_that_cannot_be_carried_is_told_as_what_it_is(name, said, tmp_path):
    with pytest.raises(StageError) as error:
        run_on_ray(study_of(name), tmp_path)
    assert f"the stage does not work: the baseline failed: {said}. Fix: " in str(error.value)
    (kept,) = (tmp_path / "errors").iterdir()
    assert said in kept.read_text()


def test_what_prepare_raises_is_one_line_of_bounded_length_without_escape_codes():
    with pytest.raises(StageError) as error:
        prepare(study_of("PrepareRaisesTwoArguments"), Interrupts(), Place())
    message = str(error.value)
    assert ".prepare failed: TwoArgumentsError: a bad row" in message
    assert message.isprintable()
    assert len(message) < 800
