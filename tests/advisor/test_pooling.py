"""A stage that is wrong about what cannot change NRMSE does not lead the advisor astray."""

from dataclasses import replace

import pytest

from tests.advisor.laws import smooth
from tests.replay import START, rebuild
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.core.estimate import estimates
from tuner.core.traits import StageTraits
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor, write_start
from tuner.simulate import VirtualClock, simulate

TRAITS = StageTraits(quality_invariant_to=("micro_batch",))
TARGET = 0.0945


def worse_in_one_piece(run, epoch):
    """`smooth`, but a batch that is not cut is 8 % worse: micro_batch matters, and the fastest ones miss."""
    measured = smooth(run, epoch)
    is_whole = run.config.micro_batch == run.config.batch_size
    return replace(measured, nrmse=measured.nrmse * (1.08 if is_whole else 1.0))


def played(law, folder):
    study = make_study(budget={"trials": 60, "hours": 20}, target=f"nrmse < {TARGET}")
    clock, advisor = VirtualClock(), Advisor(study, traits=TRAITS)
    journal = Journal(folder / "journal.jsonl")
    write_start(journal, study, advisor, START["provenance"], 1)
    simulate(JournaledAdvisor(advisor, journal, clock), law, clock)
    journal.close()
    return advisor, list(read_journal(folder / "journal.jsonl"))


@pytest.fixture(scope="module")
def contradicted(tmp_path_factory):
    return played(worse_in_one_piece, tmp_path_factory.mktemp("run"))


def test_it_stops_pooling_says_why_and_recommends_what_truly_meets_the_target(contradicted):
    advisor, events = contradicted
    assert "NRMSE depends on micro_batch after all" in advisor.pooling_contradiction
    assert advisor.knowledge.problem.traits.quality_invariant_to == ()
    assert [e["reason"] for e in events if e["event"] == "pooling_dropped"] == [advisor.pooling_contradiction]
    found = advisor.recommend()
    assert found is not None
    assert found.estimate.config.micro_batch < found.estimate.config.batch_size
    assert found.estimate.nrmse < TARGET
    assert len(found.estimate.records) >= 2


def test_a_replay_stops_pooling_at_the_same_event(contradicted):
    advisor, events = contradicted
    again = rebuild(advisor.study, events)
    assert again.records == advisor.records
    assert again.pooling_contradiction == advisor.pooling_contradiction
    assert again.admitted == advisor.admitted


def test_a_stage_that_is_right_is_pooled_to_the_end(tmp_path):
    advisor, events = played(smooth, tmp_path)
    assert advisor.pooling_contradiction == ""
    assert advisor.knowledge.problem.traits == TRAITS
    assert not any(event["event"] == "pooling_dropped" for event in events)
    assert len(estimates(advisor.records)) >= 2
