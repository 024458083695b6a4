"""Memory that runs out is known by the final error or by what led to it, of a class and of a script alike."""

import sys

import pytest

from tests.faults.test_hangs import ends, study_of
from tests.ray_adapter.broken import Reports
from tests.ray_adapter.test_trials import run_on_ray
from tuner.core.trial import TrialState

pytestmark = pytest.mark.usefixtures("ray_resources")

ADVICE = "hint: on CUDA out of memory, lower micro_batch"


class OutOfMemoryError(RuntimeError):
    """Has the name of torch's."""


class RaisesByBatchSize(Reports):
    """A plain Trainable: nothing of ours judges its errors on the worker."""

    def setup(self, config):
        super().setup(config)
        self.batch_size, self.num_epochs = config["params"]["batch_size"], config["num_epochs"]

    def step(self):
        if self.batch_size == 12:
            try:
                raise OutOfMemoryError("no room")
            except OutOfMemoryError as error:
                raise ValueError("the step failed") from error
        if self.batch_size == 24:
            sys.stdout.write(f"{ADVICE}\n")
            raise KeyError("state")
        return super().step() | {"done": self.epoch == self.num_epochs}


SCRIPT = f"""
import sys
print({{"epoch": 1, "nrmse": 0.09}}, flush=True)
if sys.argv[1] == "12":
    try:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    except RuntimeError as error:
        raise ValueError("the step failed") from error
if sys.argv[1] == "24":
    print("{ADVICE}", flush=True)
    raise KeyError("state")
"""


def script_stage(folder):
    (folder / "train.py").write_text(SCRIPT)
    command = ["{python}", str(folder / "train.py"), "{batch_size}"]
    return {"class": "trainables.command:CommandStage", "options": {"command": command}, "num_epochs": 1}


@pytest.mark.parametrize("kind", ["class", "script"])
def test_its_cause_makes_a_trial_infeasible_and_advice_before_another_error_does_not(kind, tmp_path):
    own = {"class": "tests.faults.test_memory_runs_out:RaisesByBatchSize", "options": {}, "num_epochs": 2}
    study = study_of(own if kind == "class" else script_stage(tmp_path))
    advisor = run_on_ray(study, tmp_path)
    assert [state for state, _ in ends(advisor, 12)] == [TrialState.INFEASIBLE]
    ((state, reason),) = ends(advisor, 24)
    assert state is TrialState.FAILED
    assert "KeyError: 'state'" in reason
