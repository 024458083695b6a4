"""Reports and ends that come twice or too late: the run ignores them, and so do readers of its journal."""

import pytest

from tests.studies import make_study, report
from tuner.advisor import Advisor, Ending, Run
from tuner.advisor.messages import ask_as_dict
from tuner.core.trial import TrialState
from tuner.runs.facts import fold
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor, write_start
from tuner.runs.restore import advisor_of
from tuner.scheduling import Stop


@pytest.fixture
def lived(tmp_path):
    """An advisor that heard everything once and, of some trials, once more; and its journal's path."""
    study, path = make_study(), tmp_path / "journal.jsonl"
    journal, advisor = Journal(path), Advisor(study)
    write_start(journal, study, advisor, {"device": {"kind": "cpu", "name": "a CPU"}}, 1)
    told = JournaledAdvisor(advisor, journal, lambda: 1.0)
    baseline = told.ask()
    assert isinstance(baseline, Run)
    for epoch in range(1, 7):
        told.observe(baseline.trial_id, report(epoch, 0.1 - 0.001 * epoch, epoch))
    told.tell(baseline.trial_id, Ending.complete())
    before = advisor.record(baseline.trial_id)

    assert isinstance(told.observe(baseline.trial_id, report(6, 0.5, 60.0)), Stop)
    told.tell(baseline.trial_id, Ending.failed("the worker was lost", is_lost=True))
    assert advisor.record(baseline.trial_id) == before

    second = told.ask()
    assert isinstance(second, Run)
    for nrmse in (0.11, 0.5):  # the same epoch twice: the first report counts
        told.observe(second.trial_id, report(1, nrmse, 1.0))
    assert advisor.record(second.trial_id).nrmse_curve == {1: 0.11}
    journal.close()
    return advisor, path


def test_the_journal_says_what_the_run_heard(lived):
    advisor, path = lived
    facts = fold(list(read_journal(path)))
    assert tuple(facts.records.values()) == advisor.records
    assert [record.state for record in advisor.records] == [TrialState.COMPLETE, TrialState.RUNNING]
    assert facts.num_lost == 0


def test_a_resumed_run_goes_on_as_if_they_had_never_come(lived):
    advisor, path = lived
    again = advisor_of(make_study(), fold(list(read_journal(path))))
    assert again.records == advisor.records
    for one in (advisor, again):
        one.tell("0002", Ending.discarded("the run was killed"))
    assert ask_as_dict(again.ask(2.0)) == ask_as_dict(advisor.ask(2.0))
