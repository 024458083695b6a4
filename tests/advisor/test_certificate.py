"""The certificate as the advisor runs it: after the search, alone, within the hours, gone on with later."""

import math
import re
from dataclasses import replace

import pytest

from tests.advisor.laws import out_of_memory_above, run_study, smooth
from tests.replay import START, rebuild
from tests.studies import make_study, report
from tuner.advisor import Advisor
from tuner.advisor.hours import Hours
from tuner.certificate import Verdict
from tuner.certificate.conclusion import conclude
from tuner.core.measurement import Status
from tuner.core.trial import Purpose
from tuner.report.conclusion import conclusion_text
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.simulate import VirtualClock, simulate


def study(**certificate):
    return make_study(
        budget={"trials": 16, "hours": 20},
        target="nrmse < 0.0945",
        decision={"trainings": 500},
        certificate={"nrmse_margin_pct": 20} | certificate,
    )


def concluded(advisor):
    return conclude(advisor.records, advisor.study.goal, advisor.admitted, terms=advisor.study.certificate)


def certifying(advisor):
    return [record for record in advisor.records if record.purpose is Purpose.CERTIFY]


@pytest.mark.parametrize("num_workers", [1, 4])
@pytest.mark.parametrize(
    ("sampler", "trainings"), [("surrogate", 5000), ("surrogate", 200), ("random", 5000)]
)
def test_it_comes_last_runs_alone_and_proves_the_recommendation(sampler, trainings, num_workers, tmp_path):
    spec = study(pairs=3)
    spec = make_study(
        budget={"trials": 12, "hours": 20},
        search={"sampler": sampler},
        decision={"trainings": trainings},
        certificate={"pairs": 3, "nrmse_margin_pct": 20},
        target=spec.target.text,
    )
    path = tmp_path / "journal.jsonl"
    advisor, last, _ = run_study(spec, smooth, path, num_workers=num_workers)
    assert last.reason
    found = concluded(advisor)
    assert found.is_certified
    purposes = [record.purpose for record in advisor.records]
    first = purposes.index(Purpose.CERTIFY)
    assert set(purposes[first:]) == {Purpose.CERTIFY}
    assert found.certificate.config == found.recommendation.estimate.config
    running = set()
    for event in read_journal(path):
        trial_id = event.get("trial_id") or event.get("answer", {}).get("trial_id")
        if event["event"] == "ask" and "trial_id" in event["answer"]:
            if event["answer"].get("purpose") == "certify":
                assert not running
            running.add(trial_id)
        elif event["event"] in ("tell", "probed"):
            running.discard(trial_id)


def test_the_search_leaves_it_the_hours_it_needs(tmp_path):
    """A sampler that never ends by itself would spend all of them."""
    spec = make_study(
        budget={"trials": 1000, "hours": 0.4},
        search={"sampler": "random"},
        certificate={"pairs": 3, "nrmse_margin_pct": 20},
        target="nrmse < 0.0945",
    )
    advisor, last, clock = run_study(spec, smooth, tmp_path / "journal.jsonl")
    assert "kept for the certificate, are too short for one more trial" in last.reason
    assert len(concluded(advisor).certificate.seeds) == 3
    assert clock.now_s <= 0.4 * 3600


def test_a_certificate_that_is_to_be_firm_is_left_no_fewer_pairs_than_a_plain_one(tmp_path):
    """Four looks, the first at 4 pairs: reserving for these alone left less than `pairs` wants."""
    advisor, _, _ = run_study(study(pairs=0), smooth, tmp_path / "journal.jsonl")

    def kept_s(**certificate):
        hours = Hours(
            study=study(**certificate),
            knowledge=advisor.knowledge,
            elapsed_s=20 * 3600 - 1,
        )
        return float(re.search(r"with (\d+) s kept for the certificate", hours.too_short_to_search())[1])

    assert kept_s(pairs=12, until_firm=True) == kept_s(pairs=12) > kept_s(pairs=4)
    assert kept_s(pairs=0, until_firm=True) == kept_s(pairs=4)


def test_a_look_of_the_ended_study_is_remembered_when_it_goes_on(tmp_path):
    """The journal records the look, so whatever reads the folder alone gets the same levels."""
    path, clock = tmp_path / "journal.jsonl", VirtualClock()
    advisor = Advisor(study(pairs=3))
    journal = Journal(path)
    told = JournaledAdvisor(advisor, journal, clock)
    simulate(told, smooth, clock)
    told.certify(None)
    journal.close()
    assert [event["looked"] for event in read_journal(path) if event["event"] == "certify"] == [3]
    assert advisor.study.certificate.looked == 3
    assert sum(look.level for look in advisor.study.certificate.looks) <= 0.05 + 1e-12


def test_an_ended_study_goes_on_until_its_certificate_is_firm_and_its_journal_replays(tmp_path):
    path, clock = tmp_path / "journal.jsonl", VirtualClock()
    spec = study(pairs=1)
    advisor = Advisor(spec)
    journal = Journal(path)
    told = JournaledAdvisor(advisor, journal, clock)
    simulate(told, smooth, clock)
    assert concluded(advisor).certificate.verdict is Verdict.UNDECIDED
    told.certify(None)
    simulate(told, smooth, clock)
    journal.close()
    assert concluded(advisor).certificate.verdict is Verdict.CERTIFIED
    assert len(concluded(advisor).certificate.seeds) == 4
    start = START | {"traits": advisor.traits.as_dict()}
    again = rebuild(spec, [start, *read_journal(path)])
    assert again.records == advisor.records
    assert again.study.certificate.until_firm


def test_nothing_new_is_tried_for_the_certificate_of_a_search_that_had_ended(tmp_path):
    """The winner does not fit any more, so that a search would look for another one."""
    spec, clock = study(pairs=1), VirtualClock()
    advisor, journal = Advisor(spec), Journal(tmp_path / "journal.jsonl")
    told = JournaledAdvisor(advisor, journal, clock)
    simulate(told, smooth, clock)
    tried = {record.config for record in advisor.records}
    winner = advisor.recommend().estimate.config

    def law(run, epoch):
        if run.config == winner:
            return report(0, math.nan, 0.0, 0.1, status=Status.OOM, error="CUDA out of memory")
        return smooth(run, epoch)

    told.certify(None)
    last = simulate(told, law, clock)
    journal.close()
    assert winner not in advisor.admitted
    assert {record.config for record in advisor.records} == tried
    assert last.reason == "the search had ended before its certificate went on"


def test_more_hours_let_a_certificate_go_on_whose_study_had_spent_its_own(tmp_path):
    spec = study(pairs=0)
    path, clock = tmp_path / "journal.jsonl", VirtualClock()
    advisor = Advisor(spec)
    journal = Journal(path)
    told = JournaledAdvisor(advisor, journal, clock)
    simulate(told, smooth, clock)
    clock.now_s = 21 * 3600.0
    told.certify(None)
    assert "is spent" in told.ask().reason
    told.certify(22.0)
    simulate(told, smooth, clock)
    journal.close()
    assert len(certifying(advisor)) >= 8


@pytest.mark.parametrize("until_firm", [False, True])
def test_a_winner_that_changes_during_the_certificate_gets_no_pair_of_its_own(until_firm, tmp_path):
    """The winner's first certifying run is far over the target, so something else is recommended after it."""
    first = []

    def law(run, epoch):
        seen = smooth(run, epoch)
        if run.purpose is not Purpose.CERTIFY or run.config in (spec.baseline, spec.guide):
            return seen
        first.append(run.config)
        return replace(seen, nrmse=1.05 * seen.nrmse) if run.config == first[0] else seen

    spec = study(pairs=4, until_firm=until_firm)
    path, clock = tmp_path / "journal.jsonl", VirtualClock()
    advisor, journal = Advisor(spec), Journal(path)
    told = JournaledAdvisor(advisor, journal, clock)
    simulate(told, law, clock)
    told.certify(None)
    simulate(told, law, clock)
    journal.close()
    found = concluded(advisor)
    assert {r.config for r in certifying(advisor)} - {spec.baseline, spec.guide} == {first[0]}
    assert found.recommendation.estimate.config != first[0]
    assert found.certificate is None
    assert found.spent.config == first[0]
    assert "evidence, no certificate. The certificate's" in conclusion_text(found)
    start = START | {"traits": advisor.traits.as_dict()}
    assert rebuild(spec, [start, *read_journal(path)]).records == advisor.records


def test_a_baseline_that_cannot_run_leaves_nothing_to_compare_with(tmp_path):
    spec = study(pairs=3)
    advisor, last, _ = run_study(spec, out_of_memory_above(14), tmp_path / "journal.jsonl")
    assert last.reason
    assert certifying(advisor) == []
    found = concluded(advisor)
    if found.certificate is not None:
        assert found.certificate.verdict is not Verdict.CERTIFIED
        assert not math.isnan(found.certificate.cost_s)
