"""A search outside the project is an arm, once its folder is given."""

import sys

import pytest

from benchmarks.search.arms import arms
from benchmarks.search.play import Task, play
from benchmarks.search.reference import FOLDER_VARIABLE
from tuner.errors import TunerError

API = """
from dataclasses import dataclass
CONTINUE, STOP = "CONTINUE", "STOP"

@dataclass
class ProblemView:
    names: tuple; space: list; target: float; max_epochs: int; n_samples: int; baseline: tuple
    mem_gb: float; startup_s: float; guide: tuple; workers: int = 1

@dataclass
class Start:
    config: tuple

@dataclass
class Probe:
    configs: list
"""
METHOD = """
from api import CONTINUE, STOP, Probe, Start

class HG9:
    def __init__(self, view, seed):
        self.view, self.heard = view, []

    def suggest(self):
        steps = [Probe([self.view.guide]), Start(self.view.guide), Start(self.view.baseline)]
        done = sum(kind in ("probed", "finished") for kind, *_ in self.heard)
        return steps[done] if done < 3 else "STOP_SEARCH"

    def started(self, trial, config):
        self.heard.append(("started", trial))

    def probed(self, results):
        [(config, fits, seconds, peak)] = results
        assert config in self.view.space and fits and seconds > 0
        self.heard.append(("probed", config))

    def observe(self, trial, config, epoch, time, nrmse, epoch_time, mem_gb):
        assert 0 < nrmse and time >= epoch_time
        self.heard.append(("observed", trial, epoch))
        return STOP if trial == 1 and epoch == 2 else CONTINUE

    def finished(self, trial, config, status):
        self.heard.append(("finished", trial, status))

    def recommend(self):
        told = ("finished", 1, "stopped"), ("observed", 0, self.view.max_epochs)
        return self.view.guide, all(one in self.heard for one in told)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a search that trains two rows, stops the second, and recommends the first."""
    (tmp_path / "api.py").write_text(API)
    (tmp_path / "proto_avg.py").write_text(METHOD)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("api", "proto_avg"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    for name in ("api", "proto_avg"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["develop-hinges-a100", "develop-tuned-3204-points"])
def test_the_reference_is_driven_as_its_interface_says(name):
    [only] = play(Task(arm="reference", set_name="develop", instance=name, seed=0), arms()["reference"])
    assert not only.error
    assert only.num_trials == 2
    assert only.shares["probe"] > 0
    assert only.has_answer
    assert only.settled == pytest.approx(only.cost)


@pytest.mark.usefixtures("folder")
def test_a_relative_target_is_measured_before_the_reference_begins():
    name = "develop-hinges-cpu-relative"
    [only] = play(Task(arm="reference", set_name="develop", instance=name, seed=0), arms()["reference"])
    assert not only.error
    assert only.shares["baseline"] > 1


def test_there_is_no_such_arm_without_a_folder_and_a_wrong_folder_is_an_error(monkeypatch, tmp_path):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert "reference" not in arms()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(TunerError, match=r"no api\.py there.*\n?.*Fix: give the folder"):
        arms()
