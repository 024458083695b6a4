"""The journal is the list of the advisor's calls: any prefix of it rebuilds the advisor."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.advisor.laws import out_of_memory_above, run_study
from tests.replay import replay
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.advisor.messages import ask_as_dict
from tuner.errors import RecordsError
from tuner.runs.journal import read_journal


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "journal.jsonl"
    run_study(study(), out_of_memory_above(60), path, num_workers=2)
    return list(read_journal(path))


def study():
    """Makes a study whose random configurations are often worth stopping."""
    return make_study(budget={"trials": 20, "hours": 10}, search={"sampler": "random"})


def fresh() -> Advisor:
    return Advisor(study(), num_workers=2)


def test_replaying_the_whole_journal_rebuilds_the_same_records(events, tmp_path):
    original, _, _ = run_study(study(), out_of_memory_above(60), tmp_path / "j", num_workers=2)
    assert replay(events, fresh()).records == original.records


@settings(max_examples=12)
@given(st.data())
def test_every_prefix_gives_the_next_answer_of_the_journal(events, data):
    asks = [i for i, event in enumerate(events) if event["event"] == "ask"]
    cut = data.draw(st.sampled_from(asks))
    advisor = replay(events[:cut], fresh())
    following = advisor.ask(events[cut]["elapsed_s"])
    assert json.loads(json.dumps(ask_as_dict(following))) == events[cut]["answer"]


def test_a_journal_of_another_study_is_refused(events):
    other = Advisor(make_study(seed=1, budget={"trials": 20, "hours": 10}), num_workers=2)
    with pytest.raises(RecordsError, match="the journal says"):
        replay(events, other)


def test_a_stop_the_advisor_would_not_decide_is_refused(events):
    stop = next(i for i, event in enumerate(events) if event["event"] == "stop")
    forged = [dict(event) for event in events]
    forged[stop]["reason"] = "because"
    with pytest.raises(RecordsError, match="because"):
        replay(forged, fresh())
