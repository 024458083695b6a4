"""A run to report on."""

import pytest

from tuner.runs.past_run import read_past_run
from tuner.simulate.session import run_simulated, simulated
from tuner.spec import load_study


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A simulated run of the CPU study that has ended."""
    study = simulated(load_study("cpu.yaml"))
    return read_past_run(run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)[1])
