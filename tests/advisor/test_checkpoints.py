"""The advisor's use of a checkpoint that a lost trial left behind."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.advisor.laws import smooth
from tests.replay import START, replay
from tests.studies import make_study, report
from tuner.advisor import Advisor, Ending, Run
from tuner.advisor.messages import ask_as_dict, ask_of_dict, ending_as_dict, ending_of_dict
from tuner.core.trial import TrialState
from tuner.runs.facts import fold
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor, write_start
from tuner.runs.restore import advisor_of
from tuner.search.policy.acquisition import MAX_RESUMED
from tuner.simulate import VirtualClock, simulate


def lost(checkpoint_epoch=0):
    return replace(Ending.failed("the node went", is_lost=True), checkpoint_epoch=checkpoint_epoch)


def begun(num_epochs=3):
    """An advisor whose baseline has reported some epochs."""
    advisor = Advisor(make_study())
    run = advisor.ask()
    assert isinstance(run, Run)
    for epoch in range(1, num_epochs + 1):
        advisor.observe(run.trial_id, smooth(run, epoch))
    return advisor, run


def test_a_lost_trial_with_a_checkpoint_goes_on_with_the_epochs_up_to_it():
    advisor, run = begun(3)
    advisor.tell(run.trial_id, lost(2))
    again = advisor.ask()
    assert again == replace(run, trial_id="0002", resumed_from="0001", from_epoch=2)
    record = advisor.record("0002")
    assert record.measurements == advisor.record("0001").measurements[:2]
    assert record.state is TrialState.RUNNING
    assert advisor.resumable_ids == ("0002",)


def test_a_trial_that_is_lost_again_goes_on_with_the_epochs_of_both():
    advisor, run = begun(3)
    advisor.tell(run.trial_id, Ending.discarded("the run was killed"))
    assert advisor.resumable_ids == ()
    advisor, run = begun(3)
    advisor.tell(run.trial_id, replace(Ending.discarded("the run was killed"), checkpoint_epoch=2))
    assert advisor.resumable_ids == ("0001",)
    advisor.ask()
    advisor.observe("0002", replace(smooth(run, 3), resumed=True))
    advisor.tell("0002", lost(3))
    again = advisor.ask()
    assert (again.resumed_from, again.from_epoch) == ("0002", 3)
    assert [(m.epoch, m.resumed) for m in advisor.record("0003").measurements] == [
        (1, False),
        (2, False),
        (3, True),
    ]


@pytest.mark.parametrize("epoch", [0, 4])
def test_without_a_checkpoint_of_reported_epochs_a_lost_trial_begins_anew(epoch):
    advisor, run = begun(3)
    advisor.tell(run.trial_id, lost(epoch))
    assert advisor.ask() == replace(run, trial_id="0002")
    assert advisor.record("0002").measurements == ()


def test_the_checkpoint_of_a_trial_that_ended_for_good_is_of_no_use():
    advisor, run = begun(3)
    assert advisor.resumable_ids == ("0001",)
    advisor.tell(run.trial_id, replace(Ending.failed("RuntimeError"), checkpoint_epoch=2))
    assert advisor.resumable_ids == ()


def test_what_the_journal_says_of_a_checkpoint_is_read_back_and_nothing_where_there_is_none():
    advisor, run = begun(3)
    assert not {"resumed_from", "from_epoch"} & ask_as_dict(run).keys()
    assert "checkpoint_epoch" not in ending_as_dict(lost())
    assert ending_of_dict(ending_as_dict(lost(2))) == lost(2)
    advisor.tell(run.trial_id, lost(2))
    again = advisor.ask()
    assert ask_of_dict(ask_as_dict(again)) == again


class AllKept:
    """Checkpoints of a run in which every epoch's was written."""

    def __init__(self, advisor):
        self._advisor = advisor

    def epoch_of(self, trial_id):
        return self._advisor.record(trial_id).epoch

    def keep_only(self, trial_ids):
        self.kept = tuple(trial_ids)


def run_with_losses(study, law, folder):
    """A run whose lost trials leave checkpoints behind; the advisor and the events of its journal."""
    clock, advisor = VirtualClock(), Advisor(study)
    journal = Journal(folder / "journal.jsonl")
    write_start(journal, study, advisor, START["provenance"], 1)
    kept = AllKept(advisor)
    simulate(JournaledAdvisor(advisor, journal, clock, checkpoints=kept), law, clock)
    journal.close()
    assert kept.kept == ()
    return advisor, list(read_journal(folder / "journal.jsonl"))


def on_one_card(run, epoch):
    return replace(smooth(run, epoch), device="A100")


def first_of_each_is_lost(run, epoch):
    """The worker of every trial that begins anew is lost in its third epoch."""
    return None if epoch == 3 and not run.from_epoch else on_one_card(run, epoch)


STUDY = make_study(budget={"trials": 16, "hours": 10})


@pytest.mark.parametrize("sampler", ["surrogate", "tpe"])
def test_where_every_trial_is_resumed_nothing_wins_and_the_run_ends(sampler, tmp_path):
    study = make_study(budget={"trials": 16, "hours": 10}, search={"sampler": sampler})
    advisor, events = run_with_losses(study, first_of_each_is_lost, tmp_path)
    whole = [record for record in advisor.records if record.is_whole]
    assert len(whole) >= 3
    assert all(record.is_resumed for record in whole)
    assert advisor.recommend() is None
    assert advisor.admitted == {}
    assert advisor.finish_reason
    runs = Counter(record.config for record in whole)
    assert max(runs.values()) <= MAX_RESUMED, "nor does one of them run for ever"
    assert replay(events, Advisor(study)).records == advisor.records
    restored = advisor_of(study, fold(events))
    assert restored.records == advisor.records
    assert restored.knowledge.observations.measured == advisor.knowledge.observations.measured


def test_a_configuration_whose_first_run_was_resumed_wins_by_one_in_one_go(tmp_path):
    """Each configuration loses its first run only: what is recommended has run undisturbed since."""
    seen = set()

    def law(run, epoch):
        if epoch == 3 and run.config not in seen:
            seen.add(run.config)
            return None
        return on_one_card(run, epoch)

    advisor, _ = run_with_losses(STUDY, law, tmp_path)
    found = advisor.recommend()
    assert found is not None
    runs = found.estimate.records
    assert any(record.is_resumed for record in runs), "its first run counts"
    assert any(record.is_full_budget for record in runs)
    (second := tmp_path / "2").mkdir()
    undisturbed, _ = run_with_losses(STUDY, on_one_card, second)
    assert undisturbed.recommend().estimate.config == found.estimate.config


def test_the_first_report_of_a_trial_that_begins_anew_is_decided_by_itself():
    advisor, run = begun(3)
    advisor.tell(run.trial_id, lost(2))
    advisor.ask()
    advisor.observe("0002", report(1, 0.2, 99.0))
    assert [m.epoch for m in advisor.record("0002").measurements] == [1]
    assert advisor.record("0002").time_s == 99.0
