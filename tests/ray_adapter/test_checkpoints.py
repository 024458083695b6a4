"""Real Ray, real SIGKILLs: a lost trial of a resumable stage goes on from its newest checkpoint.

Of one whose driver was killed: tests/ray_adapter/test_interrupts.py.
"""

import json

import pytest

from tests.ray_adapter.test_trials import seconds_from_now
from tests.replay import replay
from tests.stages import ResumableStage
from tests.studies import make_study, study_dict
from tuner.advisor import Advisor
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialState
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.launch import Workers, run_trials
from tuner.runs.checkpoints import Checkpoints
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor


def study_of(stage, folder, **failure):
    """A study of two trials whose baseline's worker is killed in its third epoch, once."""
    kill = {"params": {"batch_size": 6}, "kind": "kill", "epoch": 3, "once": str(folder / "once")}
    options = {"epoch_time_s": 0.05, "failures": [kill | failure]}
    changes = {"class": f"tests.stages:{stage}", "options": options}
    return make_study(
        stage=study_dict()["stage"] | changes,
        budget={"trials": 2, "hours": 1},
        target="nrmse < 0.01",
        scheduler={"rule": "none"},
    )


def run_on_ray(study, folder):
    """The advisor after a run, and the events of its journal."""
    advisor = Advisor(study, traits=StageTraits())
    journal = Journal(folder / "journal.jsonl")
    told = JournaledAdvisor(advisor, journal, seconds_from_now(), checkpoints=Checkpoints(folder))
    run_trials(study, told, workers=Workers(), errors_dir=folder / "errors", interrupts=Interrupts())
    journal.close()
    return advisor, list(read_journal(folder / "journal.jsonl"))


def undisturbed(record, options):
    """NRMSE by epoch of a trial that nobody killed."""
    config = {"params": record.config.as_dict(), "seed": record.seed, "num_epochs": 6}
    trial = ResumableStage(config=config | {"stage": {"num_samples": 2000, **options, "failures": []}})
    return {report["epoch"]: report["nrmse"] for report in (trial.train() for _ in range(6))}


def attempts(records):
    """The trial that was lost, and the one that was asked in its place."""
    return [record for record in records if record.purpose is Purpose.BASELINE]


def heard_of(events, trial_id):
    """(epoch, resumed) of every report of a trial."""
    own = [e["measurement"] for e in events if e["event"] == "observe" and e["trial_id"] == trial_id]
    return [(measurement["epoch"], measurement["resumed"]) for measurement in own]


def asked_of(events, trial_id):
    asks = [event["answer"] for event in events if event["event"] == "ask"]
    return next(answer for answer in asks if answer.get("trial_id") == trial_id)


@pytest.mark.usefixtures("ray_resources")
def test_a_trial_whose_worker_was_killed_goes_on_where_it_was_with_the_same_nrmse(tmp_path):
    study = study_of("ResumableStage", tmp_path)
    advisor, events = run_on_ray(study, tmp_path)
    lost, again = attempts(advisor.records)
    assert (lost.state, lost.epoch) == (TrialState.FAILED, 2)
    told = next(event for event in events if event["event"] == "tell")
    assert (told["trial_id"], told["checkpoint_epoch"]) == (lost.trial_id, 2)
    answer = asked_of(events, again.trial_id)
    assert (answer["resumed_from"], answer["from_epoch"]) == (lost.trial_id, 2)
    assert heard_of(events, again.trial_id) == [(3, True), (4, True), (5, True), (6, True)]

    assert again.state is TrialState.COMPLETE
    assert [m.epoch for m in again.measurements] == [1, 2, 3, 4, 5, 6]
    assert again.measurements[:2] == lost.measurements
    assert again.nrmse_curve == undisturbed(again, study.stage.options)
    assert again.time_s == pytest.approx(sum(m.epoch_time_s for m in again.measurements))
    assert again.is_whole
    assert again.is_timed
    assert not again.is_full_budget
    baseline = advisor.knowledge.observations.measured[again.config]
    assert baseline.nrmse == again.nrmse

    others = [e["answer"] for e in events if e["event"] == "ask" and e["answer"]["kind"] == "run"]
    assert [a["trial_id"] for a in others if "from_epoch" in a] == [again.trial_id]
    assert not (tmp_path / "checkpoints").exists()
    assert replay(events, Advisor(study, traits=StageTraits())).records == advisor.records


@pytest.mark.usefixtures("ray_resources")
def test_a_trial_whose_checkpoint_is_damaged_begins_anew_and_may_win(tmp_path):
    study = study_of("SpoilsItsCheckpoint", tmp_path)
    advisor, events = run_on_ray(study, tmp_path)
    lost, again = attempts(advisor.records)
    assert asked_of(events, again.trial_id)["resumed_from"] == lost.trial_id
    assert heard_of(events, again.trial_id) == [(epoch, False) for epoch in range(1, 7)]
    assert again.nrmse_curve == undisturbed(again, study.stage.options)
    assert again.is_full_budget
    assert again.from_epoch == 0
    assert replay(events, Advisor(study, traits=StageTraits())).records == advisor.records


@pytest.mark.usefixtures("ray_resources")
def test_a_stage_without_state_is_asked_from_the_start(tmp_path):
    advisor, events = run_on_ray(study_of("SyntheticStage", tmp_path), tmp_path)
    lost, again = attempts(advisor.records)
    assert (lost.state, again.state) == (TrialState.FAILED, TrialState.COMPLETE)
    assert heard_of(events, again.trial_id) == [(epoch, False) for epoch in range(1, 7)]
    assert "checkpoint_epoch" not in json.dumps(events)
    assert again.is_full_budget
