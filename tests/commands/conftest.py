"""One finished run for all commands: simulated, since they only read its folder."""

import shutil
from pathlib import Path

import pytest

from tests.studies import make_study
from tuner.simulate.session import run_simulated, simulated


@pytest.fixture(scope="session")
def ended_run(tmp_path_factory) -> Path:
    """The folder of a run that recommends something."""
    study = simulated(make_study(budget={"trials": 12, "hours": 1}, search={"sampler": "tpe"}))
    result, folder, _ = run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)
    assert result.status == "recommended"
    return folder


@pytest.fixture
def own_run(ended_run, tmp_path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(ended_run, tmp_path / "run"))
