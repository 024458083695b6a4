"""Whole studies in virtual time with each stopping rule, named as in a study file."""

import pytest

from tests.advisor.laws import run_study, smooth
from tests.replay import replay
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.core.study_sections import STOPPING_RULES
from tuner.core.trial import Purpose, TrialState
from tuner.runs.journal import read_journal
from tuner.scheduling.rules import RULES

CASES = [
    ("feasible_and_faster", {}, "tpe"),
    ("moasha", {"reduction_factor": 2}, "random"),
    ("asha", {"metric": "time_s"}, "random"),
    ("none", {}, "random"),
]


def test_a_study_file_may_name_every_rule_there_is():
    assert set(STOPPING_RULES) == set(RULES) == {name for name, *_ in CASES}


@pytest.mark.parametrize(("rule", "options", "sampler"), CASES, ids=[name for name, *_ in CASES])
def test_a_study_ends_properly_with_each_rule_and_no_stopped_trial_wins(rule, options, sampler, tmp_path):
    study = make_study(
        scheduler={"rule": rule, "options": options},
        search={"sampler": sampler},
        budget={"trials": 12, "hours": 10},
    )
    path = tmp_path / "journal.jsonl"
    advisor, last, _ = run_study(study, smooth, path, num_workers=2)
    assert last.reason
    assert not advisor.running
    found = advisor.recommend()
    assert found is not None
    assert all(record.is_full_budget for record in found.estimate.records)
    stopped = [r for r in advisor.records if r.state is TrialState.STOPPED]
    assert bool(stopped) is (rule != "none")
    assert all(r.purpose is Purpose.SEARCH and any(map(str.isdigit, r.reason)) for r in stopped)
    assert replay(read_journal(path), Advisor(study, num_workers=2)).records == advisor.records
