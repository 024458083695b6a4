"""`~` is the home folder wherever a path can be named, and runs go where the environment says."""

import argparse
import re
from pathlib import Path

import pytest

from tests.commands.calls import call
from tests.processes import write_study
from tuner.commands import COMMANDS
from tuner.commands.paths import default_runs_dir, expanded, user_path
from tuner.errors import TunerError
from tuner.run import make_parser


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DISTILL_TUNER_RUNS_DIR", raising=False)
    return tmp_path


def path_options(name: str) -> list[argparse.Action]:
    return [a for a in make_parser(name)._actions if a.metavar in ("DIR", "FILE", "RUN", "RUN_DIR")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_path_of_every_command_may_begin_with_the_home_folder(name, home):
    for action in path_options(name):
        assert action.type is not None, action
        assert Path(action.type("~/x")) == home / "x", action


def test_paths_are_found_in_the_commands_that_have_them():
    counts = {name: len(path_options(name)) for name in COMMANDS}
    assert counts["run"] == 4
    assert counts["compare"] == 2
    assert sum(counts.values()) >= 13


def test_a_path_without_a_tilde_stays_as_it_is():
    assert expanded("./cpu.yaml") == "./cpu.yaml", "not the shipped study of that name"
    assert user_path("a~/b") == Path("a~/b")
    assert user_path("./~") == Path("~")


def test_the_home_folder_of_nobody_is_refused_with_the_fix(capsys):
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(["--space", "cpu", "--runs-dir=~nobody-here/runs"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "argument --runs-dir: ~nobody-here/runs: there is no home folder ~nobody-here. Fix: " in said


def test_a_run_goes_where_the_environment_says_unless_an_option_says_otherwise(home, monkeypatch):
    (home / "file").write_text("")  # so that each run ends before Ray is started
    monkeypatch.setenv("DISTILL_TUNER_RUNS_DIR", "~/file/kept")
    study = write_study(home)
    with pytest.raises(TunerError, match=re.escape(f"{home}/file/kept: cannot make run folders here")):
        call("run", "--space", f"~/{study.name}")
    with pytest.raises(TunerError, match=re.escape(f"{home}/file/other: cannot make run folders here")):
        call("run", "--space", f"~/{study.name}", "--runs-dir=~/file/other")


def test_a_ray_job_keeps_its_runs_at_home_unless_told_otherwise(home, monkeypatch):
    assert default_runs_dir() == Path("runs")
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert default_runs_dir() == home / "distill-tuner-runs"
    monkeypatch.setenv("DISTILL_TUNER_RUNS_DIR", "/runs")
    assert default_runs_dir() == Path("/runs")
    monkeypatch.setenv("DISTILL_TUNER_RUNS_DIR", "~nobody-here/runs")
    with pytest.raises(TunerError, match="--runs-dir or DISTILL_TUNER_RUNS_DIR"):
        default_runs_dir()
