"""The advisor through its contract: what it asks, when it stops, what it recommends."""

import itertools
import math

import pytest

from tests.advisor.laws import out_of_memory_above, run_study, smooth, smooth_epoch_s
from tests.studies import make_study, report
from tuner.advisor import Advisor, Broken, Ending, Finished, Probe, Run, Wait
from tuner.advisor.agenda import MAX_LOST_PROBES
from tuner.advisor.messages import ProbeResult, ask_as_dict, ask_of_dict
from tuner.core.measurement import Status
from tuner.core.pareto import front
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialState
from tuner.runs.journal import read_journal
from tuner.scheduling import Continue, Stop


@pytest.fixture
def journal_path(tmp_path):
    return tmp_path / "journal.jsonl"


def finish(advisor: Advisor, run: Run, *, epoch_s: float = 1.0, nrmse: float = 0.09) -> None:
    for epoch in range(1, run.num_epochs + 1):
        advisor.observe(run.trial_id, report(epoch, nrmse, epoch * epoch_s, epoch_s))
    advisor.tell(run.trial_id, Ending.complete())


def run_with(config) -> Run:
    return Run(trial_id="", config=config, seed=0, num_epochs=6, purpose=Purpose.SEARCH)


def run_of(record) -> Run:
    return Run(
        trial_id=record.trial_id,
        config=record.config,
        seed=record.seed,
        num_epochs=record.num_epochs,
        purpose=record.purpose,
    )


def test_the_baseline_is_asked_first_and_the_guides_row_second():
    study = make_study()
    advisor = Advisor(study)
    first = advisor.ask()
    assert isinstance(first, Run)
    assert (first.config, first.purpose) == (study.baseline, Purpose.BASELINE)
    finish(advisor, first)
    second = advisor.ask()
    assert isinstance(second, Run)
    assert (second.config, second.purpose) == (study.guide, Purpose.GUIDE)


def test_seeds_count_up_from_the_studys_by_configuration_if_the_target_is_relative_and_else_by_run(
    journal_path,
):
    target = {"relative": "nrmse <= 1.05 * baseline", "absolute": "nrmse < 0.095"}
    runs = {}
    for kind, text in target.items():
        study = make_study(seed=7, budget={"trials": 12, "hours": 10}, target=text)
        runs[kind] = run_study(study, smooth, journal_path.with_name(kind))[0].records
    of_config = {}
    for record in runs["relative"]:
        of_config.setdefault(record.config, []).append(record.seed)
    assert all(found == list(range(7, 7 + len(found))) for found in of_config.values())
    assert max(map(len, of_config.values())) >= 2
    by_run = [record.seed for record in runs["absolute"]]
    num_shared = len(by_run) - len(set(by_run))  # of the guide's row, and of two pairs for each parameter
    assert set(by_run) == set(range(7, 7 + len(set(by_run))))
    assert 0 < num_shared <= 1 + 2 * 4


@pytest.mark.parametrize("sampler", ["surrogate", "tpe", "nsga2", "random"])
def test_every_configuration_is_legal_and_none_is_repeated_but_with_another_seed(sampler, journal_path):
    study = make_study(search={"sampler": sampler}, budget={"trials": 20, "hours": 10})
    advisor, _, _ = run_study(study, smooth, journal_path)
    assert all(record.config in study.lattice for record in advisor.records)
    pairs = [(record.config, record.seed) for record in advisor.records]
    assert len(set(pairs)) == len(pairs)
    searched = [r.config for r in advisor.records if r.purpose is not Purpose.REPLICATE]
    assert len(set(searched)) == len(searched)


def test_the_model_needs_fewer_configurations_than_a_sampler_for_a_better_answer(journal_path):
    found = {}
    for sampler in ("surrogate", "random"):
        study = make_study(search={"sampler": sampler}, budget={"trials": 40, "hours": 10})
        advisor, _, _ = run_study(study, smooth, journal_path.with_name(sampler))
        found[sampler] = advisor.num_counted, advisor.recommend().estimate.time_s
    assert found["surrogate"][0] < found["random"][0]
    assert found["surrogate"][1] <= found["random"][1]


def test_the_search_ends_by_itself_when_the_lattice_is_used_up(journal_path):
    study = make_study(
        parameters={
            "batch_size": {"values": [6, 12]},
            "micro_batch": {"values": [3, 4]},
            "num_taus": {"values": [4, 5]},
            "accum_steps": {"values": [1, 2]},
        },
        budget={"trials": 1000, "hours": 100},
        search={"sampler": "tpe"},
    )
    advisor, last, _ = run_study(study, smooth, journal_path)
    assert {r.config for r in advisor.records} == set(study.lattice)
    assert last == Finished(reason="every legal configuration has been tried")


def test_the_trial_budget_is_kept(journal_path):
    study = make_study(budget={"trials": 12, "hours": 10}, search={"sampler": "random"})
    advisor, last, _ = run_study(study, smooth, journal_path)
    assert advisor.num_counted == 12
    assert last.reason == "all 12 trials of the budget have run"


def test_the_search_ends_by_itself_when_nothing_can_beat_what_was_found(journal_path):
    study = make_study(budget={"trials": 500, "hours": 100})
    advisor, last, _ = run_study(study, smooth, journal_path)
    best = advisor.recommend().estimate
    assert str(best.config) in last.reason
    assert advisor.num_counted < 60
    truly_faster = [
        config
        for config in study.lattice
        for end in [smooth(run_with(config), 6)]
        if end.nrmse < 0.095 and end.time_s < 0.95 * best.time_s
    ]
    assert truly_faster == []


def test_the_rarer_a_recommendation_is_used_the_sooner_the_search_ends_and_says_so(journal_path):
    ends = {}
    for trainings in (10, 5000):
        study = make_study(budget={"trials": 500, "hours": 100}, decision={"trainings": trainings})
        advisor, last, _ = run_study(study, smooth, journal_path.with_name(str(trainings)))
        assert last.reason.endswith(f"for another run to pay off in {trainings} trainings")
        ends[trainings] = len(advisor.records), advisor.recommend().estimate.time_s
    assert ends[10][0] < ends[5000][0]
    assert ends[10][1] >= ends[5000][1]


def test_the_search_ends_soon_when_nothing_can_be_feasible(journal_path):
    study = make_study(budget={"trials": 500, "hours": 100}, target="nrmse < 0.08")
    advisor, last, _ = run_study(study, smooth, journal_path)
    assert last.reason.startswith(
        "no candidate that could be faster than the baseline and meet nrmse < 0.08 is promising enough"
    )
    assert advisor.num_counted < 30
    assert advisor.recommend() is None


def test_the_guides_row_counts_against_the_trial_budget_too():
    advisor = Advisor(make_study(budget={"trials": 1, "hours": 10}))
    run = advisor.ask()
    assert isinstance(run, Run)
    finish(advisor, run)
    assert advisor.ask() == Finished(reason="all 1 trials of the budget have run")


def test_the_time_budget_is_kept_to_within_one_epoch(journal_path):
    study = make_study(budget={"trials": 500, "hours": 0.2}, search={"sampler": "random"})
    advisor, last, clock = run_study(study, smooth, journal_path)
    assert "budget" in last.reason
    assert clock.now_s <= 0.2 * 3600 + 10.0
    assert advisor.recommend() is not None


def test_no_trial_is_started_that_cannot_end_within_the_budget():
    advisor = Advisor(make_study(budget={"trials": 50, "hours": 0.01}))
    run = advisor.ask(0.0)
    assert isinstance(run, Run)
    finish(advisor, run, epoch_s=4.0)
    assert advisor.ask(33.0) == Finished(reason="the 3 s left of the budget are too short for one more trial")


def test_a_trial_still_running_when_the_budget_ends_is_stopped_with_that_reason():
    advisor = Advisor(make_study(budget={"trials": 50, "hours": 0.01}))
    run = advisor.ask(0.0)
    assert isinstance(run, Run)
    assert advisor.observe(run.trial_id, report(1, 0.1, 5.0), 5.0) == Continue()
    decision = advisor.observe(run.trial_id, report(2, 0.1, 37.0), 37.0)
    assert decision == Stop("the budget of 0.01 h is spent")
    advisor.tell(run.trial_id, Ending.stopped())
    assert advisor.records[0].reason == "the budget of 0.01 h is spent"
    assert advisor.recommend() is None


def test_workers_are_kept_busy_but_never_over_booked():
    advisor = Advisor(make_study(), num_workers=3)
    baseline, guide, third = (advisor.ask() for _ in range(3))
    assert isinstance(baseline, Run)
    assert isinstance(guide, Run)
    assert third == Wait()  # nothing is known yet: a guess would be a waste
    finish(advisor, baseline)
    more = [advisor.ask() for _ in range(2)]
    assert all(isinstance(run, Run) for run in more)
    assert len({(run.config, run.seed) for run in (guide, *more) if isinstance(run, Run)}) == 3
    assert advisor.ask() == Wait()


def test_stopped_trials_are_neither_on_the_front_nor_recommended(journal_path):
    study = make_study(budget={"trials": 40, "hours": 10}, search={"sampler": "random"})
    advisor, _, _ = run_study(study, smooth, journal_path)
    stopped = [r for r in advisor.records if r.state is TrialState.STOPPED]
    assert len(stopped) >= 5
    assert all(r.reason for r in stopped)
    assert not set(stopped) & set(front(advisor.records))
    found = advisor.recommend()
    assert found is not None
    assert all(record.is_full_budget for record in found.estimate.records)

    def is_better_in_truth(record):
        end = smooth(run_of(record), 6)
        return end.nrmse < 0.095 and end.time_s < found.estimate.time_s

    assert not any(is_better_in_truth(record) for record in stopped)


def test_the_baseline_and_the_guides_row_are_never_stopped():
    advisor = Advisor(make_study())
    for expected in (Purpose.BASELINE, Purpose.GUIDE):
        run = advisor.ask()
        assert isinstance(run, Run)
        assert run.purpose is expected
        slow = 1.0 if expected is Purpose.BASELINE else 100.0
        for epoch in range(1, 7):
            told = advisor.observe(run.trial_id, report(epoch, 0.5, epoch * slow, slow))
            assert told == Continue()
        advisor.tell(run.trial_id, Ending.complete())


def test_out_of_memory_is_infeasible_with_a_named_constraint(journal_path):
    study = make_study(budget={"trials": 20, "hours": 10})
    advisor, _, _ = run_study(study, out_of_memory_above(40), journal_path)
    infeasible = [r for r in advisor.records if r.state is TrialState.INFEASIBLE]
    assert infeasible
    assert {r.constraint for r in infeasible} == {"memory"}
    assert {r.reason for r in infeasible} == {"CUDA out of memory"}
    found = advisor.recommend()
    assert found is not None
    assert found.estimate.config.micro_batch * found.estimate.config.num_taus <= 40


def test_a_lost_trial_is_asked_again_under_a_new_id_as_often_as_the_study_allows():
    advisor = Advisor(make_study(resources={"retries": 2}))
    runs = []
    for _ in range(3):
        run = advisor.ask()
        assert isinstance(run, Run)
        assert (run.config, run.purpose) == (advisor.study.baseline, Purpose.BASELINE)
        runs.append(run)
        advisor.observe(run.trial_id, report(1, 0.1, 1.0))
        advisor.tell(run.trial_id, Ending.failed("the node went", is_lost=True))
    assert len({run.trial_id for run in runs}) == 3
    assert advisor.ask() == Broken(reason="the baseline failed: the node went")


@pytest.mark.parametrize("num_reports", [0, 1])
def test_a_run_that_is_killed_again_and_again_never_gives_up_its_baseline(num_reports):
    """Neither the retries of a lost trial nor its failures count what the end of the run caused."""
    advisor = Advisor(make_study(resources={"retries": 0}))
    for _ in range(10):
        run = advisor.ask()
        assert isinstance(run, Run)
        assert run.config == advisor.study.baseline
        for epoch in range(1, num_reports + 1):
            advisor.observe(run.trial_id, smooth(run, epoch))
        advisor.tell(run.trial_id, Ending.discarded("the run was killed"))
    assert {record.state for record in advisor.records} == {TrialState.DISCARDED}
    assert advisor.num_counted == 0
    assert not advisor.knowledge.observations.infeasible
    assert not advisor.knowledge.observations.failed


def test_a_probe_that_the_runs_end_cut_off_is_asked_again_however_often():
    advisor = probing()
    finish(advisor, advisor.ask(), epoch_s=100.0)
    for _ in range(MAX_LOST_PROBES + 2):
        probe = advisor.ask()
        assert isinstance(probe, Probe)
        advisor.tell(probe.trial_id, Ending.discarded("the run was killed"))


def test_a_lost_trial_does_not_use_up_the_budget(journal_path):
    lost = itertools.count()

    def law(run, epoch):
        return None if epoch == 2 and next(lost) < 2 else smooth(run, epoch)

    study = make_study(budget={"trials": 12, "hours": 10}, search={"sampler": "random"})
    advisor, _, _ = run_study(study, law, journal_path)
    states = [record.state for record in advisor.records]
    assert states.count(TrialState.FAILED) == 2
    assert advisor.num_counted == 12
    assert advisor.recommend() is not None


def test_a_baseline_that_fails_ends_the_study_at_once_as_a_failure_and_can_be_tried_again():
    """Without it there is nothing to compare with, so whatever else runs is spent in vain."""
    advisor = Advisor(make_study())
    run = advisor.ask()
    assert isinstance(run, Run)
    advisor.tell(run.trial_id, Ending.failed("KeyError: 'u'"))
    assert advisor.ask() == Broken(reason="the baseline failed: KeyError: 'u'")
    assert advisor.is_broken
    advisor.retry()
    again = advisor.ask()
    assert isinstance(again, Run)
    assert (again.config, again.seed, again.purpose) == (run.config, run.seed, run.purpose)
    finish(advisor, again)
    assert isinstance(advisor.ask(), Run)


def test_a_stage_of_which_nothing_reports_ends_the_study_after_three_failures():
    """The baseline may run out of memory as long as something else runs."""
    advisor = Advisor(make_study())
    run = advisor.ask()
    advisor.tell(run.trial_id, Ending.out_of_memory("too large"))
    for _ in range(3):
        run = advisor.ask()
        assert isinstance(run, Run)
        advisor.tell(run.trial_id, Ending.failed("KeyError: 'u'"))
    assert advisor.ask() == Broken(reason="the first 3 trials failed without a report: KeyError: 'u'")


def test_saying_the_same_thing_twice_changes_nothing():
    once, twice = Advisor(make_study()), Advisor(make_study())
    for _ in range(5):
        for advisor, times in ((once, 1), (twice, 2)):
            run = advisor.ask()
            assert isinstance(run, Run)
            for epoch in range(1, 7):
                for _ in range(times):
                    advisor.observe(run.trial_id, smooth(run, epoch))
            for _ in range(times):
                advisor.tell(run.trial_id, Ending.complete())
    assert once.records == twice.records
    assert once.ask() == twice.ask()


def test_a_trial_told_complete_that_lacks_epochs_was_stopped():
    advisor = Advisor(make_study())
    run = advisor.ask()
    assert isinstance(run, Run)
    advisor.observe(run.trial_id, report(1, 0.01, 0.1))
    advisor.tell(run.trial_id, Ending.complete())
    assert advisor.records[0].state is TrialState.STOPPED
    assert advisor.incumbent is None


def asks(journal_path):
    return [event for event in read_journal(journal_path) if event["event"] == "ask"]


def probing(**changes) -> Advisor:
    study = make_study(guide=None, budget={"trials": 100, "hours": 10}, **changes)
    return Advisor(study, traits=StageTraits(can_probe=True))


def answer(advisor: Advisor, probe: Probe, *, too_large: int) -> None:
    results = []
    for config in probe.configs:
        fits = config.micro_batch * config.num_taus <= too_large
        results.append(
            ProbeResult(
                config=config,
                status=Status.OK if fits else Status.OOM,
                epoch_time_s=smooth_epoch_s(config) if fits else math.nan,
                peak_memory_gib=0.1,
            )
        )
    advisor.probed(probe.trial_id, results, 0.1)


def test_what_ran_out_of_memory_in_a_probe_is_never_asked_for():
    advisor, probed, asked = probing(), [], []
    while not isinstance(ask := advisor.ask(), Finished):
        if isinstance(ask, Probe):
            probed += ask.configs
            answer(advisor, ask, too_large=30)
        else:
            asked.append(ask.config)
            for epoch in range(1, 7):
                advisor.observe(ask.trial_id, smooth(ask, epoch))
            advisor.tell(ask.trial_id, Ending.complete())
    refused = [config for config in probed if config.micro_batch * config.num_taus > 30]
    assert refused
    assert not set(refused) & set(asked)
    assert not any(config.micro_batch * config.num_taus > 30 for config in asked)


def test_a_stage_that_cannot_be_probed_never_is(journal_path):
    run_study(make_study(), smooth, journal_path)
    assert not any(event["answer"]["kind"] == "probe" for event in asks(journal_path))


def test_probes_that_are_lost_are_asked_for_twice_at_most():
    advisor = probing()
    probe_of_the_space = advisor.ask()
    assert isinstance(probe_of_the_space, Run)  # the baseline first
    finish(advisor, probe_of_the_space, epoch_s=100.0)
    num_probes = 0
    for _ in range(6):
        ask = advisor.ask()
        if isinstance(ask, Probe):
            num_probes += 1
            advisor.tell(ask.trial_id, Ending.failed("the worker was lost", is_lost=True))
        else:
            assert isinstance(ask, Run)
            finish(advisor, ask, epoch_s=50.0)
    assert num_probes == 2


def test_a_probe_that_failed_is_the_last_and_its_cause_is_kept_while_the_run_goes_on():
    advisor = probing()
    finish(advisor, advisor.ask(), epoch_s=100.0)
    probe = advisor.ask()
    assert isinstance(probe, Probe)
    assert (advisor.probing_given_up, probe.limit_s) == ("", 0.0)
    advisor.tell(probe.trial_id, Ending.failed("the script failed with exit 2: no such option"))
    for _ in range(4):
        ask = advisor.ask()
        assert isinstance(ask, Run)
        finish(advisor, ask, epoch_s=50.0)
    assert advisor.probing_given_up == "the script failed with exit 2: no such option"


def test_a_start_may_take_as_long_as_the_baseline_until_its_first_report():
    study = make_study(guide=None, budget={"trials": 100, "hours": 10})
    advisor = Advisor(study, traits=StageTraits(can_probe=True, probes_in_proportion=True))
    finish(advisor, advisor.ask(), epoch_s=100.0)
    probe = advisor.ask()
    assert isinstance(probe, Probe)
    assert probe.configs == (study.baseline,)
    first = advisor.records[0].measurements[0]
    beside_s = first.setup_time_s + first.warmup_time_s + first.evaluate_time_s
    assert probe.limit_s == pytest.approx(first.time_s + beside_s)
    assert probe.limit_s >= 100.0
    assert ask_of_dict(ask_as_dict(probe)) == probe


def test_an_unknown_trial_is_an_error_of_the_driver():
    with pytest.raises(KeyError, match="never asked for a trial '0009'"):
        Advisor(make_study()).observe("0009", report(1, 0.1, 1.0))
