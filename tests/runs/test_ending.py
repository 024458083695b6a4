"""However a run ends, what can be written is written, and the first failure is the one that is told."""

import csv
import json

import pytest

from tests.advisor.laws import smooth
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.errors import ClusterError, InternalError, RecordsError
from tuner.report import files, outputs
from tuner.report.outputs import ReportOutputs
from tuner.runs import ending, result
from tuner.runs.ending import end_run
from tuner.runs.journal import Journal, is_held, read_journal
from tuner.runs.journaled import JournaledAdvisor, write_start
from tuner.runs.open_run import OpenRun
from tuner.simulate import VirtualClock, simulate

PROVENANCE = {
    "device": {"name": "AMD EPYC", "kind": "cpu"},
    "hardware": "cpu",
    "hardware_mismatch": "",
    "platform": "Linux",
    "seed": 0,
    "started": "2026-11-01T12:00:00+00:00",
    "study_hash": "0" * 64,
    "versions": {"python": "3.11.9"},
}


class Sick(Advisor):
    """An advisor whose models break after it has finished, when asked what may be recommended."""

    @property
    def admitted(self):
        if self.finish_reason:
            raise ValueError("math domain error")
        return super().admitted


@pytest.fixture
def _no_report(monkeypatch):
    """Replaces the report, which takes seconds."""
    monkeypatch.setattr(outputs, "try_report", lambda *_: "")


class Run:
    """A short run in virtual time that has come to its end, with its outputs still to be written."""

    def __init__(self, folder, made_by=Advisor):
        self.folder = folder
        study = make_study(budget={"trials": 4, "hours": 1}, search={"sampler": "random"})
        self.advisor = made_by(study)
        self.journal = Journal(folder / "journal.jsonl")
        write_start(self.journal, study, self.advisor, PROVENANCE, 1)
        clock = VirtualClock()
        simulate(JournaledAdvisor(self.advisor, self.journal, clock), smooth, clock)

    def end(self, error=None):
        run = OpenRun(folder=self.folder, advisor=self.advisor, journal=self.journal, provenance=PROVENANCE)
        return end_run(run, 1.0, ReportOutputs(), error=error)

    @property
    def json(self):
        return json.loads((self.folder / "result.json").read_text())

    @property
    def events(self):
        return [event["event"] for event in read_journal(self.folder / "journal.jsonl")]

    @property
    def num_rows(self):
        return len(list(csv.DictReader((self.folder / "trials.csv").read_text().splitlines())))


def broken(*_args, **_options):
    raise ZeroDivisionError("division by zero")


@pytest.mark.usefixtures("_no_report")
def test_a_run_that_ends_well_has_its_outputs_and_its_last_event(tmp_path):
    run = Run(tmp_path)
    ended = run.end()
    assert (ended.failure, ended.troubles) == (None, ())
    assert run.events[-1] == "end"
    assert run.json["status"] == ended.result.status != "failed"


def test_a_journal_is_held_until_the_folder_is_complete(tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr(
        outputs, "try_report", lambda folder, _: held.append(is_held(folder / "journal.jsonl"))
    )
    run = Run(tmp_path)
    run.end()
    assert held == [True]
    assert not is_held(tmp_path / "journal.jsonl")


def test_models_that_raise_at_the_end_leave_a_failed_run_with_every_output_from_its_records(tmp_path):
    run = Run(tmp_path, Sick)
    ended = run.end()
    assert isinstance(ended.failure, InternalError)
    assert str(ended.failure).startswith("ValueError: math domain error (test_ending.py")
    assert "end" not in run.events
    assert run.json["status"] == "failed"
    assert run.json["baseline"]["state"] == "complete"
    assert run.json["recommended"] is None
    assert run.num_rows == run.json["num_trials"] == len(run.advisor.records)
    assert (tmp_path / "report.html").is_file()


@pytest.mark.usefixtures("_no_report")
def test_the_failure_that_ended_a_run_is_told_and_not_what_failed_after_it(tmp_path):
    run = Run(tmp_path, Sick)
    first = ClusterError("Ray has gone.", "start it.")
    ended = run.end(first)
    assert ended.failure is first
    assert run.json["sentence"].startswith("The run failed (Ray has gone. Fix: start it.); so far: ")
    (trouble,) = ended.troubles
    assert trouble.startswith("ValueError: math domain error")
    assert "math domain error" in (tmp_path / "errors/driver.txt").read_text()


def test_records_that_nothing_can_be_concluded_from_are_written_all_the_same(tmp_path, monkeypatch):
    run = Run(tmp_path)
    monkeypatch.setattr(result, "conclude", broken)
    ended = run.end(RuntimeError("first"))
    assert str(ended.failure).startswith("RuntimeError: first")
    assert run.json["status"] == "failed"
    assert "what the trials found could not be worked out" in (tmp_path / "summary.txt").read_text()
    assert run.num_rows == run.json["num_trials"] > 3
    assert [trouble.startswith("ZeroDivisionError") for trouble in ended.troubles] == [True, True, False]
    assert ended.troubles[-1].startswith("no report.html was written (ZeroDivisionError")


@pytest.mark.usefixtures("_no_report")
@pytest.mark.parametrize(
    ("maker", "lost"),
    [("trials_csv", "trials.csv"), ("summary", "summary.txt"), ("result_dict", "result.json")],
)
def test_an_output_that_cannot_be_made_costs_no_other_and_the_others_say_that_the_run_failed(
    maker, lost, tmp_path, monkeypatch
):
    run = Run(tmp_path)
    monkeypatch.setattr(files, maker, broken)
    ended = run.end()
    assert str(ended.failure).startswith("ZeroDivisionError: division by zero (test_ending.py")
    assert "end" not in run.events
    written = {path.name for path in tmp_path.iterdir()}
    assert {"summary.txt", "result.json", "trials.csv"} - written == {lost}
    if lost != "result.json":
        assert run.json["status"] == "failed"


@pytest.mark.usefixtures("_no_report")
def test_a_last_event_that_cannot_be_written_leaves_no_result_that_looks_well(tmp_path, monkeypatch):
    def full(*_args):
        raise RecordsError("the disk is full.")

    run = Run(tmp_path)
    monkeypatch.setattr(ending, "write_end", full)
    ended = run.end()
    assert str(ended.failure) == "the disk is full."
    assert run.json["status"] == "failed"
