"""A failure whose cause every trial shares ends a study at once, whatever other workers do."""

import pytest

from tests.studies import make_study, report
from tuner.advisor import Advisor, Broken, Ending, Run, Wait
from tuner.advisor.messages import ending_as_dict, ending_of_dict
from tuner.core.trial import Purpose, TrialState

NO_KEY = "no line of output had an object with the key 'nrmse'"


def with_workers(num):
    advisor = Advisor(make_study(), num_workers=num)
    return advisor, [advisor.ask() for _ in range(2)]


def test_the_first_failure_ends_the_study_while_the_baseline_still_runs():
    advisor, (baseline, guide) = with_workers(2)
    assert [baseline.purpose, guide.purpose] == [Purpose.BASELINE, Purpose.GUIDE]
    advisor.tell(guide.trial_id, Ending.failed(NO_KEY, is_general=True))
    assert advisor.ask() == Broken(reason=f"trial 0002 failed, as every other one would: {NO_KEY}")
    assert advisor.is_broken
    advisor.tell(baseline.trial_id, Ending.discarded("nobody waits for it"))
    assert isinstance(advisor.ask(), Broken)
    assert len(advisor.records) == 2


def test_a_baseline_that_fails_is_not_outlived_by_other_workers():
    advisor, (baseline, _) = with_workers(2)
    advisor.tell(baseline.trial_id, Ending.failed("KeyError: 'u'"))
    assert advisor.ask() == Broken(reason="the baseline failed: KeyError: 'u'")


@pytest.mark.parametrize("is_general", [True, False])
def test_once_a_trial_has_reported_or_for_another_cause_the_others_go_on(is_general):
    advisor, (baseline, guide) = with_workers(2)
    if is_general:
        advisor.observe(baseline.trial_id, report(1, 0.1, 1.0))
    advisor.tell(guide.trial_id, Ending.failed(NO_KEY, is_general=is_general))
    assert isinstance(advisor.ask(), Run)
    assert not advisor.is_broken


def test_a_finished_study_still_waits_for_its_last_trials():
    """Only a broken one does not."""
    advisor = Advisor(make_study(budget={"trials": 2, "hours": 1}), num_workers=2)
    baseline, _ = advisor.ask(), advisor.ask()
    advisor.tell(baseline.trial_id, Ending.out_of_memory("too large"))
    assert isinstance(advisor.ask(), Wait)


def test_the_study_can_be_tried_again_and_asks_a_discarded_baseline_once():
    advisor, (baseline, guide) = with_workers(2)
    advisor.tell(guide.trial_id, Ending.failed(NO_KEY, is_general=True))
    assert isinstance(advisor.ask(), Broken)
    advisor.tell(baseline.trial_id, Ending.discarded("nobody waits for it"))
    advisor.retry()
    again = advisor.ask()
    assert isinstance(again, Run)
    assert (again.config, again.purpose) == (baseline.config, Purpose.BASELINE)
    beside = advisor.ask()
    assert isinstance(beside, Run)
    assert beside.config != baseline.config
    assert [record.state for record in advisor.records[:3]] == [
        TrialState.DISCARDED,
        TrialState.FAILED,
        TrialState.RUNNING,
    ]


def test_the_journal_says_it_of_a_general_failure_only():
    for ending in (Ending.failed("x"), Ending.failed("x", is_general=True), Ending.complete()):
        assert ending_of_dict(ending_as_dict(ending)) == ending
        assert ("is_general" in ending_as_dict(ending)) == ending.is_general
