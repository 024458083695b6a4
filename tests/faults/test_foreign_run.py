"""The folder of somebody else's run names code: nothing of it is imported before somebody has agreed."""

import os
import sys

import pytest

from tests.journals import copy_as_if_of_here, edit_start, write_journal
from tests.processes import ROOT, TUNER, Terminal, call_tuner
from tuner.report.outputs import ReportOutputs
from tuner.runs.basis import place_of
from tuner.runs.foreign import why_foreign
from tuner.runs.journal import read_journal
from tuner.runs.past_run import read_past_run
from tuner.runs.provenance import real_versions
from tuner.runs.resume import hold, resume
from tuner.spec import study_as_yaml

KILLED = ROOT / "tests/runs/format_2/killed"
RULE = """
from pathlib import Path

Path({mark!r}).touch()

from tuner.scheduling import Continue


class Rule:
    def decide(self, record, evidence):
        return Continue()
"""


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """A file that is there once the module of the run's own rule was imported."""
    mark = tmp_path / "imported"
    (tmp_path / "foreign_rule.py").write_text(RULE.format(mark=str(mark)))
    monkeypatch.syspath_prepend(tmp_path)
    yield mark
    sys.modules.pop("foreign_rule", None)


@pytest.fixture
def run(tmp_path, mark):
    """A run that was begun in another folder, with a rule of its own, and killed."""
    run = copy_as_if_of_here(KILLED, tmp_path)
    path = run / "journal.jsonl"
    start, *rest = read_journal(path)
    start["study"]["scheduler"] = {"rule": "foreign_rule:Rule", "options": {}}
    start["provenance"]["place"] = "0123456789abcdef"
    write_journal(path, [start | {"format": 3}, *rest])
    (run / "study.yaml").unlink()
    (run / "study.yaml").write_text(_study_of(run))
    return run


def _study_of(run):
    return study_as_yaml(read_past_run(run).study)


@pytest.mark.parametrize(
    "words", [("--resume", ""), ("--plan", "--space", "study.yaml"), ("--simulate", "--space", "study.yaml")]
)
def test_without_a_terminal_it_is_refused_and_nothing_is_imported(run, mark, words):
    *options, name = words
    before = (run / "journal.jsonl").read_bytes()
    done = call_tuner(*options, run / name)
    assert done.returncode == 2
    assert (
        f"{run}: this may be somebody else's run: it was begun in another folder, or on another"
        in done.stderr
    )
    assert "It would run the stopping rule foreign_rule:Rule, the stage tests.stages:Synth" in done.stderr
    assert done.stderr.endswith("then repeat the command with --trust.\n")
    assert not mark.exists()
    assert (run / "journal.jsonl").read_bytes() == before


def test_trust_answers_beforehand(run, mark):
    options = ("--simulate", "--trials", "3", "--runs-dir", mark.parent / "runs")
    done = call_tuner(*options, "--trust", "--space", run / "study.yaml")
    assert done.returncode == 0, done.stderr
    assert "somebody else" not in done.stderr
    assert mark.exists()


def test_on_a_terminal_somebody_is_asked(run, mark):
    command = [*TUNER, "--simulate", "--trials", "3", "--space", str(run / "study.yaml")]
    for answer in ("n", "y"):
        with Terminal(command, cwd=mark.parent) as terminal:
            terminal.wait_for("Continue? [y/N]")
            assert not mark.exists()
            os.write(terminal._master, f"{answer}\n".encode())
            code = terminal.exit_code()
        assert code == (2 if answer == "n" else 0), terminal.output
        assert mark.exists() == (answer == "y"), terminal.output


def test_once_resumed_here_it_is_a_run_of_here(run):
    assert why_foreign(read_past_run(run))
    past = read_past_run(run)
    resume(hold(read_past_run(run), real_versions(), ReportOutputs()), dict(past.provenance)).journal.close()
    assert not why_foreign(read_past_run(run))
    assert place_of(run) in read_past_run(run).facts.places


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_run_of_another_user_is_foreign_wherever_it_is(run):
    edit_start(run, lambda event: event | {"provenance": event["provenance"] | {"place": place_of(run)}})
    assert why_foreign(read_past_run(run)) == ""
    os.chown(run / "study.yaml", 12345, -1)
    assert "study.yaml belongs to another user (12345)" in why_foreign(read_past_run(run))


def test_a_run_that_names_only_our_code_is_not_asked_about(run):
    start, *rest = read_journal(run / "journal.jsonl")
    start["study"]["scheduler"] = {"rule": "feasible_and_faster", "options": {}}
    start["study"]["stage"]["class"] = "trainables.consistency.stage:ConsistencyStage"
    start["study"]["stage"]["options"] = {}
    write_journal(run / "journal.jsonl", [start, *rest])
    (run / "study.yaml").unlink()
    (run / "study.yaml").write_text(_study_of(run))
    done = call_tuner("--plan", "--space", run / "study.yaml")
    assert "somebody else" not in done.stderr
    assert done.returncode == 0
