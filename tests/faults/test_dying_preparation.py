"""The worker that prepares a stage dies: it is replaced as often as the study says."""

import os
import signal
from pathlib import Path

from tests.processes import write_study
from tests.stages import SyntheticStage
from tests.studies import study_dict


class DiesInPrepare(SyntheticStage):
    """Kills the process that prepares it, until it has done so often enough."""

    @classmethod
    def prepare(cls, options):
        deaths = Path(options["deaths"])
        left = int(deaths.read_text())
        if left:
            deaths.write_text(str(left - 1))
            os.kill(os.getpid(), signal.SIGKILL)

    def build(self, params, seed, options):
        super().build(params, seed, {name: value for name, value in options.items() if name != "deaths"})


def test_a_worker_that_dies_while_it_prepares_is_replaced_and_one_that_always_dies_ends_the_run(
    tmp_path, call_on_ray
):
    deaths = tmp_path / "deaths"
    options = {"epoch_time_s": 0.01, "deaths": str(deaths)}
    stage = study_dict()["stage"] | {"class": f"{__name__}:DiesInPrepare", "options": options}
    study = write_study(tmp_path, stage=stage, budget={"trials": 1, "hours": 1}, target="nrmse < 0.01")
    deaths.write_text("9")
    done = call_on_ray("--space", study, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2, done.stderr
    assert ".prepare failed: its worker died, each of 3 times. Fix: " in done.stderr
    assert deaths.read_text() == "6"
    deaths.write_text("2")
    done = call_on_ray("--space", study, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 1, done.stderr  # no configuration meets the target
    assert deaths.read_text() == "0"
