"""The journal is the list of the advisor's calls: any prefix of it rebuilds the advisor."""

import json

import pytest

from tests.advisor.laws import out_of_memory_above, run_study
from tests.replay import replay
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.advisor.messages import ask_as_dict
from tuner.errors import RecordsError
from tuner.runs.journal import read_journal


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The advisor of a run, and the events of its journal."""
    path = tmp_path_factory.mktemp("run") / "journal.jsonl"
    advisor, _, _ = run_study(study(), out_of_memory_above(60), path, num_workers=2)
    return advisor, list(read_journal(path))


@pytest.fixture(scope="module")
def events(original):
    return original[1]


def study():
    """Makes a study whose random configurations are often worth stopping."""
    return make_study(budget={"trials": 14, "hours": 10}, search={"sampler": "random"})


def fresh() -> Advisor:
    return Advisor(study(), num_workers=2)


def test_every_prefix_gives_the_next_answer_of_the_journal_and_the_whole_the_same_records(original):
    records, events = original[0].records, original[1]
    advisor, begin = fresh(), 0
    for cut in [k for k, event in enumerate(events) if event["event"] == "ask"]:
        replay(events[begin:cut], advisor)
        following = advisor.ask(events[cut]["elapsed_s"])
        assert json.loads(json.dumps(ask_as_dict(following))) == events[cut]["answer"]
        begin = cut + 1
    assert replay(events[begin:], advisor).records == records


def test_a_journal_of_another_study_is_refused(events):
    other = Advisor(make_study(seed=1, budget={"trials": 14, "hours": 10}), num_workers=2)
    with pytest.raises(RecordsError, match="the journal says"):
        replay(events, other)


def test_a_stop_the_advisor_would_not_decide_is_refused(events):
    stop = next(i for i, event in enumerate(events) if event["event"] == "stop")
    forged = [dict(event) for event in events]
    forged[stop]["reason"] = "because"
    with pytest.raises(RecordsError, match="because"):
        replay(forged, fresh())
