"""A run from its folder alone says what the run itself said."""

import itertools
import json
import shutil

import pytest

from tests.advisor.laws import run_study, smooth
from tests.replay import START, rebuild, records_of
from tests.studies import make_study, shipped
from tuner.errors import RecordsError
from tuner.report.files import result_dict
from tuner.runs.folder import write_study
from tuner.runs.journal import read_journal
from tuner.runs.past_run import read_past_run
from tuner.simulate.session import run_simulated, simulated


@pytest.fixture(scope="module")
def simulated_run(tmp_path_factory):
    study = simulated(shipped("cpu.yaml"))
    return run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)


def test_a_folder_gives_the_result_that_was_written_there(simulated_run):
    result, folder, _ = simulated_run
    past = read_past_run(folder)
    assert past.records == result.records
    assert past.result.admitted == result.admitted
    assert result_dict(past.result) == json.loads((folder / "result.json").read_text())


def test_a_killed_run_recommends_nothing_yet_and_its_journal_holds_what_it_would_have(
    simulated_run, tmp_path
):
    result, folder, _ = simulated_run
    killed = tmp_path / "killed"
    shutil.copytree(folder, killed)
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    (killed / "journal.jsonl").write_text("".join(lines[:-1]) + '{"event": "tel')
    past = read_past_run(killed)
    assert past.end is None
    assert past.result.status == "not ended"
    assert past.result.conclusion.recommendation is None
    advisor = rebuild(past.study, past.events)
    assert advisor.admitted == result.admitted
    assert advisor.finish_reason == result.finish_reason


def test_spans_of_a_worker_never_overlap_and_cover_every_trial(tmp_path):
    study = make_study(budget={"trials": 10, "hours": 20})
    advisor, _, _ = run_study(study, smooth, tmp_path / "journal.jsonl", num_workers=3)
    write_study(tmp_path, study)
    events = list(read_journal(tmp_path / "journal.jsonl"))
    lines = [json.dumps(event) for event in [START | {"num_workers": 3}, *events]]
    (tmp_path / "journal.jsonl").write_text("\n".join(lines) + "\n")
    spans = read_past_run(tmp_path).spans
    assert {span.trial_id for span in spans} >= {record.trial_id for record in advisor.records}
    assert {span.worker for span in spans} == {0, 1, 2}
    for worker in range(3):
        own = [span for span in spans if span.worker == worker]
        assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(own))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"study.yaml": "name: a"}, "there is no journal.jsonl in it"),
        ({"journal.jsonl": "", "study.yaml": "name: a"}, "does not begin with the start of a run"),
        ({"journal.jsonl": '{"event":"start","provenance":{}}\n'}, "does not begin with the start of a run"),
    ],
)
def test_what_is_no_run_is_one_message(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RecordsError, match=message):
        read_past_run(tmp_path)


def test_a_stopped_trial_has_the_reason_of_the_stop_though_its_end_names_none():
    config = {"batch_size": 6, "micro_batch": 3, "num_taus": 5, "accum_steps": 1}
    asked = {
        "kind": "run",
        "trial_id": "0001",
        "config": config,
        "seed": 0,
        "num_epochs": 6,
        "purpose": "search",
    }
    end = {"state": "stopped", "reason": "", "constraint": "", "is_lost": False}
    [record] = records_of(
        [
            START,
            {"event": "ask", "elapsed_s": 0.0, "answer": asked},
            {"event": "stop", "elapsed_s": 1.0, "trial_id": "0001", "reason": "too slow"},
            {"event": "tell", "elapsed_s": 2.0, "trial_id": "0001", **end},
        ]
    )
    assert record.reason == "too slow"
