"""A run to report on."""

import pytest

from tests.studies import shipped
from tuner.runs.past_run import read_past_run
from tuner.simulate.session import run_simulated, simulated


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A simulated run of the CPU study that has ended."""
    study = simulated(shipped("cpu.yaml"))
    return read_past_run(run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)[1])
