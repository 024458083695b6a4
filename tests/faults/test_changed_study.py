"""A run whose study was edited after it was cut off: refused, or continued with a word in every output."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.journals import copy_as_if_of_here
from tests.processes import call_tuner
from tuner.errors import ResumeError
from tuner.report.outputs import ReportOutputs
from tuner.runs.past_run import read_past_run
from tuner.runs.provenance import real_versions
from tuner.runs.resume import hold
from tuner.spec import load_study
from tuner.spec.yaml_format import write_yaml

KILLED = Path(__file__).parent.parent / "runs/format_2/killed"


@pytest.fixture
def run(tmp_path):
    return copy_as_if_of_here(KILLED, tmp_path)


def edit(run, change):
    values = load_study(str(run / "study.yaml")).as_dict()
    change(values)
    (run / "study.yaml").write_text(write_yaml(values))


def faster(values):
    values["stage"]["options"]["epoch_time_s"] = 0.05
    values["budget"]["trials"] = 4


CHANGE = "stage.options.epoch_time_s: 0.2 -> 0.05"


@pytest.mark.timeout(400)
def test_accepted_changes_are_in_every_output_and_in_the_journal(run, call_on_ray):
    before = read_past_run(run)
    edit(run, faster)
    refused = call_tuner("--resume", run)
    assert refused.returncode == 2
    assert f"since it began: {CHANGE}. Fix: put it back as it was, accept it with --accept" in refused.stderr
    done = call_on_ray("--resume", run, "--accept-changes")
    assert done.returncode == 0, done.stdout + done.stderr
    said = f"that was accepted (--accept-changes) after trial {before.records[-1].trial_id}: {CHANGE}"
    noted = f"changed after trial {before.records[-1].trial_id}: budget.trials: 8 -> 4; "
    for text in (done.stdout, *((run / n).read_text() for n in ("summary.txt", "report.html"))):
        plain = text.replace("&gt;", ">")
        assert said in plain
        assert noted in plain
    result = json.loads((run / "result.json").read_text())
    assert said in result["sentence"]
    assert said in (run / "recommended.yaml").read_text()
    [changes] = result["provenance"]["changes"]
    assert changes["accepted"] == [CHANGE]
    assert "numpy: " in str(changes["noted"])
    assert said in call_tuner("status", run).stdout
    assert said in call_tuner("compare", run, KILLED).stdout
    with (run / "trials.csv").open() as file:
        marked = {row["trial_id"] for row in csv.DictReader(file) if row["before_changes"]}
    assert marked == {record.trial_id for record in before.records}

    _is_kept_by_further_resumes(run)


def _is_kept_by_further_resumes(run):
    journal = run / "journal.jsonl"
    *lines, _ = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines))  # as if it had been killed before its end
    (run / "study.yaml").unlink()  # taken from the journal, as it was accepted
    held = hold(read_past_run(run), real_versions(), ReportOutputs())
    held.journal.close()
    assert held.past.study.stage.options["epoch_time_s"] == 0.05
    assert held.past.provenance["changes"][0]["accepted"] == [CHANGE]
    (run / "study.yaml").write_text(write_yaml(held.past.study.as_dict()))
    edit(run, lambda values: values["stage"]["options"].update(epoch_time_s=0.2))
    with pytest.raises(ResumeError, match=re.escape("stage.options.epoch_time_s: 0.05 -> 0.2")):
        hold(read_past_run(run), real_versions(), ReportOutputs())


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda v: v["parameters"]["num_taus"].update(high=5), "parameters.num_taus.high: 6 -> 5"),
        (lambda v: v["stage"].update(num_epochs=4), "stage.num_epochs: 3 -> 4"),
        (lambda v: v["baseline"].update(num_taus=4), "baseline.num_taus: 5 -> 4"),
        (lambda v: v.update(constraints=["micro_batch <= batch_size"]), "constraints: ..."),
    ],
)
def test_what_makes_the_trials_so_far_meaningless_is_not_accepted(run, change, key):
    edit(run, change)
    before = (run / "journal.jsonl").read_bytes()
    done = call_tuner("--resume", run, "--accept-changes")
    assert done.returncode == 2
    assert f"this cannot be accepted, as the trials so far would say nothing beside those to come: {key}" in (
        done.stderr
    )
    assert "accept it with" not in call_tuner("--resume", run).stderr
    assert (run / "journal.jsonl").read_bytes() == before


def test_a_run_that_begins_has_no_changes_to_accept():
    done = call_tuner("--space", "cpu", "--accept-changes")
    assert done.returncode == 2
    assert "--accept-changes has no meaning with --space, which begins a run" in done.stderr
