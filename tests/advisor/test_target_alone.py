"""Runs of the winner alone as the advisor asks for them: within the hours, in the journal, with --certify."""

import math
from dataclasses import replace

import pytest

from tests.advisor.laws import smooth
from tests.replay import START, rebuild
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.certificate import Verdict
from tuner.certificate.conclusion import conclude
from tuner.core.trial import Purpose
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.simulate import VirtualClock, simulate

FRESH = 1000
BOUND = 0.0945


def study(hours=20.0, **certificate):
    return make_study(
        budget={"trials": 12, "hours": hours},
        decision={"trainings": 500},
        target=f"nrmse < {BOUND}",
        certificate={"pairs": 4, "nrmse_margin_pct": 20} | certificate,
    )


SPREAD = 0.008


def close_to_the_target(spec, distance):
    """The winner's fresh runs scatter by `SPREAD` about a mean so many times that under the target."""

    def law(run, epoch):
        seen = smooth(run, epoch)
        if run.purpose is not Purpose.CERTIFY or run.config in (spec.baseline, spec.guide):
            return seen
        off = SPREAD * (-distance - (-1) ** run.seed)
        return replace(seen, nrmse=BOUND * math.exp(off)) if epoch == run.num_epochs else seen

    return law


OPEN_AT_4, OPEN_AT_8 = 1.25, 1.0


class Played:
    """A study in virtual time, whose journal is kept."""

    def __init__(self, spec, path):
        self.spec, self.path, self.clock = spec, path, VirtualClock()
        self.advisor, self.journal = Advisor(spec), Journal(path)
        self.told = JournaledAdvisor(self.advisor, self.journal, self.clock)

    def go_on(self, law):
        return simulate(self.told, law, self.clock)

    @property
    def certificate(self):
        advisor, study = self.advisor, self.advisor.study
        found = conclude(advisor.records, study.goal, advisor.admitted, terms=study.certificate)
        return found.certificate or found.spent

    def num_runs(self, config):
        records = self.advisor.records
        return sum(r.purpose is Purpose.CERTIFY and r.config == config for r in records)


@pytest.fixture
def played(tmp_path):
    """Makes one study; its journal is closed at the end."""
    made = []

    def make(spec):
        made.append(Played(spec, tmp_path / "journal.jsonl"))
        return made[-1]

    yield make
    for one in made:
        one.journal.close()


def test_the_winner_goes_on_alone_until_the_target_is_decided_and_the_journal_replays(played):
    spec = study()
    one = played(spec)
    one.go_on(close_to_the_target(spec, OPEN_AT_4))
    found = one.certificate
    assert found.verdict is Verdict.CERTIFIED
    assert (one.num_runs(spec.baseline), one.num_runs(found.config)) == (4, found.num_target_runs)
    assert found.num_target_runs == 8
    assert one.num_runs(spec.guide) == 3
    start = START | {"traits": one.advisor.traits.as_dict()}
    assert rebuild(spec, [start, *read_journal(one.path)]).records == one.advisor.records


def ended_after(num_runs, spec, law, folder):
    """The same study with hours for so many runs of the winner alone."""
    whole = Played(spec, folder / "whole.jsonl")
    whole.go_on(law)
    alone = [r for r in whole.advisor.records if r.purpose is Purpose.CERTIFY and r.seed >= FRESH + 4]
    paired_s = whole.clock.now_s - sum(run.time_s for run in alone)
    hours = (paired_s + (num_runs + 0.5) * alone[0].time_s) / 3600
    return replace(spec, budget=replace(spec.budget, hours=hours))


def test_the_winner_runs_alone_only_if_the_hours_allow_the_next_look(played, tmp_path):
    """Runs that no look follows would prove nothing; and with none of them, the look keeps its level."""
    spec = study()
    law = close_to_the_target(spec, OPEN_AT_4)
    one = played(ended_after(3, spec, law, tmp_path))
    last = one.go_on(law)
    assert "too short for the 4 more trials that the target takes" in last.reason
    assert one.num_runs(one.certificate.config) == 4
    assert one.certificate.target_look.level == 0.04


def test_hours_that_end_between_two_looks_leave_the_last_one_and_certify_goes_on_from_it(played, tmp_path):
    spec = study()
    law = close_to_the_target(spec, OPEN_AT_8)
    one = played(ended_after(5, spec, law, tmp_path))
    last = one.go_on(law)
    before = one.certificate
    assert "too short for the 8 more trials that the target takes" in last.reason
    assert (before.verdict, before.num_target_runs, before.num_runs) == (Verdict.UNDECIDED, 8, 8)
    one.told.certify(20.0)
    [order] = [event for event in read_journal(one.path) if event["event"] == "certify"]
    assert (order["looked"], order["looked_runs"]) == (4, 8)
    one.go_on(law)
    assert one.certificate.verdict is Verdict.CERTIFIED
    assert (one.num_runs(spec.baseline), one.certificate.num_target_runs) == (4, 16)
    start = START | {"traits": one.advisor.traits.as_dict()}
    again = rebuild(one.spec, [start, *read_journal(one.path)])
    assert again.records == one.advisor.records
    assert again.study.certificate == one.advisor.study.certificate


def test_until_firm_asks_for_no_baseline_once_only_the_target_is_open(played):
    spec = study(until_firm=True)
    one = played(spec)
    one.go_on(close_to_the_target(spec, OPEN_AT_4))
    assert one.certificate.verdict is Verdict.CERTIFIED
    assert one.num_runs(spec.baseline) == 4
    assert one.certificate.num_target_runs == 8
