"""`compare` shows two runs side by side and says what of them may not be compared."""

import json

import pytest

from tests.commands.calls import call
from tests.journals import edit_start, write_journal
from tests.studies import make_study
from tuner.runs.journal import read_journal
from tuner.runs.past_run import read_past_run
from tuner.simulate.session import run_simulated, simulated


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    stage = {"class": "tests.stages:SyntheticStage", "options": {}, "num_epochs": 4, "num_samples": 2000}
    study = make_study(
        name="other", stage=stage, target="nrmse < 0.1", budget={"trials": 8, "hours": 1}, seed=5
    )
    _, folder, _ = run_simulated(simulated(study), tmp_path_factory.mktemp("runs"), lambda *_: None)
    return folder


def test_a_run_may_be_compared_with_itself_without_caution(ended_run):
    said = call("compare", ended_run, ended_run, "--json").json
    assert said["cautions"] == []
    assert said["runs"][0] == said["runs"][1]
    assert said["tried"]["only_one"] == said["tried"]["only_other"] == 0
    assert said["tried"]["both"] > 6


def test_winner_speed_up_and_baseline_are_those_of_each_result(ended_run, other_run):
    said = call("compare", ended_run, other_run, "--json").json
    for folder, facts in zip((ended_run, other_run), said["runs"], strict=True):
        result = json.loads((folder / "result.json").read_text())
        assert facts["speedup"] == result["speedup"]
        assert facts["baseline"]["time_s"] == result["baseline"]["time_s"]
        assert (facts["winner"] or {}).get("config") == (result["recommended"] or {}).get("config")
    table = call("compare", ended_run, other_run).text
    assert f"{said['runs'][0]['speedup']:.2f}x" in table
    assert f"{said['runs'][0]['winner']['nrmse']:.4f}" in table


def test_costs_are_the_spans_added_up_by_purpose(ended_run):
    facts = call("compare", ended_run, ended_run, "--json").json["runs"][0]
    spans = read_past_run(ended_run).spans
    assert facts["worker_s_total"] == pytest.approx(sum(s.end_s - s.start_s for s in spans), abs=0.01)
    assert set(facts["worker_s"]) == {span.purpose for span in spans}


def test_other_epochs_and_another_target_are_cautioned_against(ended_run, other_run):
    cautions = call("compare", ended_run, other_run, "--json").json["cautions"]
    assert any("num_epochs 6 and 4" in caution for caution in cautions)
    assert any("nrmse < 0.095; nrmse < 0.1" in caution for caution in cautions)
    assert not any("baselines differ" in caution for caution in cautions)
    assert "caution: " in call("compare", ended_run, other_run).text


def on_a_card(event):
    device = event["provenance"]["device"] | {"name": "simulated a card"}
    return event | {"provenance": event["provenance"] | {"device": device}}


def test_another_device_is_cautioned_against(ended_run, own_run):
    edit_start(own_run, on_a_card)
    cautions = call("compare", ended_run, own_run, "--json").json["cautions"]
    assert len(cautions) == 1
    assert "the devices differ (simulated a CPU; simulated a card)" in cautions[0]


def test_a_simulated_run_beside_a_measured_one_is_cautioned_against(ended_run, own_run):
    path = own_run / "journal.jsonl"
    events = json.loads(json.dumps(list(read_journal(path))).replace('"kind": "simulated"', '"kind": "cpu"'))
    write_journal(path, events)
    cautions = call("compare", ended_run, own_run, "--json").json["cautions"]
    assert cautions == ["one run is simulated: its figures are supposed, not measured"]
