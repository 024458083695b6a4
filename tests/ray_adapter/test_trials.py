"""Real Ray, a cheap stage: every way a trial can end reaches the records as what it is."""

import re
import time

import pytest

from tests.processes import is_alive, wait_until
from tests.replay import replay
from tests.stages import SyntheticOptions, epoch_seconds
from tests.studies import make_study, study_dict
from tuner.advisor import Advisor
from tuner.certificate.conclusion import conclude
from tuner.core.pareto import front
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialState
from tuner.errors import ClusterError, RecordsError, StageError
from tuner.ray_adapter import bridge
from tuner.ray_adapter.device import check_resources
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.launch import Workers, run_trials
from tuner.ray_adapter.metrics import StudyMetrics
from tuner.ray_adapter.silence import Patience
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.search.policy.probing import ProbeStep

pytestmark = pytest.mark.usefixtures("ray_resources")


def seconds_from_now():
    began_s = time.monotonic()
    return lambda: time.monotonic() - began_s


def run_on_ray(study, folder, *, num_workers=1, journal=None, kind=Advisor, device="", clock=None, **more):
    advisor = kind(study, num_workers=num_workers, traits=StageTraits(can_probe=True))
    journaled = JournaledAdvisor(
        advisor,
        journal or Journal(folder / "journal.jsonl"),
        clock or seconds_from_now(),
        [StudyMetrics(advisor)],
    )
    run_trials(
        study,
        journaled,
        workers=Workers(num=num_workers, device=device),
        errors_dir=folder / "errors",
        interrupts=Interrupts(),
        **more,
    )
    return advisor


def synthetic(failures=(), *, trials=12, epoch_time_s=0.03, **changes):
    options = {"failures": list(failures), "epoch_time_s": epoch_time_s}
    stage = study_dict()["stage"] | {"options": options}
    return make_study(stage=stage, budget={"trials": trials, "hours": 1}, **changes)


class ProbesFirst(Advisor):
    """Asks for a probe of three configurations before anything else."""

    def ask(self, elapsed_s=0.0):
        if self._agenda.next_probe_id != "p001":
            return super().ask(elapsed_s)
        return self._start_probe(ProbeStep(configs=tuple(self.study.lattice)[:3]), elapsed_s)


def test_a_probe_times_configurations_on_a_worker_and_one_that_does_not_fit_is_never_run(tmp_path):
    first = next(iter(synthetic().lattice))
    too_large = {"params": first.as_dict(), "kind": "oom", "epoch": 1}
    # On a busy machine a sleep of milliseconds is as long as another: nothing would be faster for certain.
    study = synthetic([too_large], trials=6, epoch_time_s=0.15)
    advisor = run_on_ray(study, tmp_path, kind=ProbesFirst)
    known = {probed.config: probed.epoch_time_s for probed in advisor.knowledge.observations.probes.values()}
    assert len(known) == 3
    assert known.pop(first) is None
    options = SyntheticOptions(**study.stage.options)
    for config, epoch_time_s in known.items():
        assert epoch_time_s == pytest.approx(epoch_seconds(config.as_dict(), options), rel=0.5)
    assert advisor.recommend() is not None
    assert first not in {record.config for record in advisor.records}
    events = list(read_journal(tmp_path / "journal.jsonl"))
    rebuilt = replay(events, ProbesFirst(study, traits=StageTraits(can_probe=True)))
    assert rebuilt.records == advisor.records
    assert rebuilt.knowledge.observations.probes == advisor.knowledge.observations.probes


@pytest.fixture(scope="module")
def run_with_stops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stops")
    return run_on_ray(searched_at_random(), folder), folder


def searched_at_random(trials=16):
    """Random configurations are often worth stopping."""
    return synthetic(trials=trials, search={"sampler": "random"})


def test_no_stopped_trial_is_on_the_front_or_recommended(run_with_stops):
    """The poisoning test: a stopped trial's partial time is tiny, and must not win by it."""
    advisor, _ = run_with_stops
    stopped = [r for r in advisor.records if r.state is TrialState.STOPPED]
    whole = [r for r in advisor.records if r.state is TrialState.COMPLETE]
    assert len(stopped) >= 2
    assert min(r.time_s for r in stopped) < min(r.time_s for r in whole)
    assert not {r.trial_id for r in front(advisor.records)} & {r.trial_id for r in stopped}
    found = advisor.recommend()
    assert found is not None
    assert all(r.state is TrialState.COMPLETE and r.epoch == 6 for r in found.estimate.records)
    assert found.speedup is not None
    assert found.speedup > 1


def test_a_stopped_trial_keeps_its_reason_in_words_with_its_numbers(run_with_stops):
    advisor, _ = run_with_stops
    reasons = [r.reason for r in advisor.records if r.state is TrialState.STOPPED]
    assert all(any(word in reason for word in ("slower", "probability")) for reason in reasons)
    assert all(any(digit in reason for digit in "0123456789") for reason in reasons)


def test_complete_trials_carry_all_their_epochs_with_the_stages_own_clock(run_with_stops):
    """The last report takes another way through Tune than the others; none may be missing."""
    advisor, _ = run_with_stops
    for record in advisor.records:
        if record.state is TrialState.COMPLETE:
            assert [m.epoch for m in record.measurements] == [1, 2, 3, 4, 5, 6]
            spent_s = sum(m.epoch_time_s for m in record.measurements)
            assert record.time_s == pytest.approx(spent_s)


def test_the_journal_of_a_run_on_ray_rebuilds_its_records(run_with_stops):
    advisor, folder = run_with_stops
    fresh = Advisor(searched_at_random(), traits=StageTraits(can_probe=True))
    rebuilt = replay(read_journal(folder / "journal.jsonl"), fresh)
    assert rebuilt.records == advisor.records
    assert rebuilt.recommend() == advisor.recommend()


@pytest.fixture(scope="module")
def run_on_full_disk(tmp_path_factory):
    """A longer one on a disk that is full after 100 events: the error, and the journal."""

    class FullDisk(Journal):
        num_left = 100

        def append(self, event, /, **fields):
            self.num_left -= 1
            if self.num_left < 0:
                raise RecordsError("journal.jsonl: No space left on device.")
            super().append(event, **fields)

    folder = tmp_path_factory.mktemp("full")
    with pytest.raises(RecordsError) as error:
        run_on_ray(searched_at_random(30), folder, journal=FullDisk(folder / "journal.jsonl"))
    return str(error.value), list(read_journal(folder / "journal.jsonl"))


def test_a_journal_that_cannot_be_written_ends_the_run_with_that_error(run_on_full_disk):
    message, events = run_on_full_disk
    assert "No space left" in message
    assert len(events) == 100


def test_the_same_seed_suggests_the_same_first_configurations(run_with_stops, run_on_full_disk):
    advisor, _ = run_with_stops
    _, events = run_on_full_disk
    asked = [event["answer"] for event in events if event["event"] == "ask"]
    again = [answer["config"] for answer in asked if answer.get("purpose") == Purpose.SEARCH]
    first = [record.config.as_dict() for record in advisor.records if record.purpose is Purpose.SEARCH]
    assert again[:6] == first[:6]
    assert len(first) >= 6


LEFT_BEHIND = "the worker was given up: 1.00 GiB of the last trial are still allocated."


@pytest.fixture(scope="module")
def run_with_failures(tmp_path_factory):
    """A run of every failure. By its seed, one trial raises: each that does costs a worker."""
    folder = tmp_path_factory.mktemp("failures")
    failures = [
        {"params": {"batch_size": 24}, "kind": "oom", "epoch": 2},
        {"params": {"batch_size": 8}, "kind": "nan", "epoch": 1},
        {"params": {"batch_size": 4}, "kind": "raise", "epoch": 1},
        {"params": {"batch_size": 6}, "kind": "kill", "epoch": 3, "once": str(folder / "killed-once")},
        {"params": {"batch_size": 6}, "kind": "unreleased", "epoch": 0, "once": str(folder / "left-once")},
    ]
    study = synthetic(failures, scheduler={"rule": "none"}, search={"sampler": "random"}, seed=12)
    return run_on_ray(study, folder), folder


def test_every_failure_is_recorded_as_what_it_is_and_the_run_goes_on(run_with_failures):
    advisor, folder = run_with_failures
    states = {}
    for record in advisor.records:
        if record.reason != LEFT_BEHIND:
            states.setdefault(record.config.batch_size, set()).add((record.state, record.constraint))
    assert states[24] == {(TrialState.INFEASIBLE, "memory")}
    assert states[8] == {(TrialState.INFEASIBLE, "finite")}
    assert states[4] == {(TrialState.FAILED, "")}
    assert states[12] == {(TrialState.COMPLETE, "")}

    lost, again = (r for r in advisor.records if r.purpose is Purpose.BASELINE)
    assert (lost.state, again.state) == (TrialState.FAILED, TrialState.COMPLETE)
    assert lost.reason.startswith("the worker was lost")
    assert lost.config == again.config

    raised = next(r for r in advisor.records if r.config.batch_size == 4)
    assert raised.reason == "RuntimeError: synthetic failure"
    assert "synthetic failure" in (folder / f"errors/{raised.trial_id}.txt").read_text()
    assert conclude(advisor.records, advisor.study.goal).rows["baseline"].trial == again
    assert not advisor.running


def test_a_worker_whose_last_trial_left_memory_behind_is_given_up_and_the_next_trial_is_not_blamed(
    run_with_failures,
):
    advisor, _ = run_with_failures
    lost, again, *_ = (r for r in advisor.records if r.purpose is Purpose.GUIDE)
    assert (lost.state, again.state) == (TrialState.DISCARDED, TrialState.COMPLETE)
    assert lost.reason == LEFT_BEHIND
    assert (lost.config, lost.seed) == (again.config, again.seed)


def test_several_workers_share_the_lattice_without_repeats(tmp_path):
    advisor = run_on_ray(synthetic(trials=10), tmp_path, num_workers=2)
    runs = [(record.config, record.seed) for record in advisor.records]
    assert len(set(runs)) == len(runs)
    assert advisor.num_counted >= 4
    assert not advisor.running


def failing(name, folder, **changes):
    """A run whose baseline fails: the message, and the trials there were."""
    stage = study_dict()["stage"] | {"class": f"tests.ray_adapter.broken:{name}"}
    with pytest.raises(StageError) as error:
        run_on_ray(make_study(stage=stage, **changes), folder)
    asks = [e["answer"] for e in read_journal(folder / "journal.jsonl") if e["event"] == "ask"]
    return str(error.value), [answer["kind"] for answer in asks]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("NoTime", "the stage's report lacks time_s, epoch_time_s."),
        ("EndsBeforeItReports", "the stage's report lacks status, epoch, time_s, epoch_time_s."),
        ("NegativeNrmse", "the stage reported nrmse=-1.0, which must be more than 0."),
        ("SameEpochTwice", "the stage reported epoch 1 again."),
        ("EnergyOfAStar", "the stage reported energy_j=1.7e+308, which must be at most 1e+15."),
        ("EpochBeyondCounting", "the stage reported epoch 100000000000000000000 of a trial of 6 epochs."),
        ("MemoryInWords", "the stage reported peak_memory_gib='80 GiB', which is not a number."),
        ("ClockOfMinutes", "the stage reported time_s=60 only "),
        ("RaisesInSetup", "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/file.npz'"),
    ],
)
def test_a_stage_that_does_not_work_ends_the_run_with_its_cause_after_one_trial(name, cause, tmp_path):
    """A failure in the baseline fails every trial; escape codes and Ray's own words help nobody."""
    message, kinds = failing(name, tmp_path)
    assert f"the stage does not work: the baseline failed: {cause}" in message
    assert "creation task" not in message
    assert "\x1b" not in message
    assert kinds == ["run", "broken"]


@pytest.mark.parametrize("failing_batch", [6, 12])
def test_a_missing_metric_ends_the_run_at_the_first_trial_whatever_the_other_worker_does(
    failing_batch, tmp_path
):
    """One of baseline (6) and guide (12) ends without the key; the other would go on for ten minutes."""
    script = tmp_path / "train.py"
    script.write_text(
        "import os, sys, time\n"
        f"open(sys.argv[2] + '/' + str(os.getpid()), 'w')\n"
        f"if sys.argv[1].split('/')[0] != '{failing_batch}': time.sleep(600)\n"
        "print({'epoch': 1, 'score': 3})\n"
    )
    pids = tmp_path / "pids"
    pids.mkdir()
    words = ["{batch_size}/{micro_batch}/{num_taus}/{accum_steps}", str(pids)]
    options = {"command": ["{python}", str(script), *words], "grace_s": 0.3}
    stage = study_dict()["stage"] | {"class": "trainables.command:CommandStage", "options": options}
    with pytest.raises(StageError, match=r"no line of output had an object with the key 'nrmse'; .* score"):
        run_on_ray(make_study(stage=stage, budget={"trials": 9, "hours": 1}), tmp_path, num_workers=2)
    events = list(read_journal(tmp_path / "journal.jsonl"))
    assert [e["answer"]["kind"] for e in events if e["event"] == "ask"] == ["run", "run", "broken"]
    ends = {e["trial_id"]: e["state"] for e in events if e["event"] == "tell"}
    first, other = ("0001", "0002") if failing_batch == 6 else ("0002", "0001")
    assert ends == {first: "failed", other: "discarded"}
    wait_until(lambda: not any(is_alive(int(path.name)) for path in pids.iterdir()), timeout_s=30)


def test_out_of_memory_while_a_worker_starts_is_infeasible_and_not_a_fault(tmp_path):
    stage = study_dict()["stage"] | {"class": "tests.ray_adapter.broken:OutOfMemoryInSetup"}
    advisor = run_on_ray(make_study(stage=stage, budget={"trials": 2, "hours": 1}), tmp_path)
    assert {record.state for record in advisor.records} == {TrialState.INFEASIBLE}
    assert {record.constraint for record in advisor.records} == {"memory"}


@pytest.mark.parametrize("name", ["HangsButTheBaseline", "HangsInSetupButTheBaseline"])
def test_a_trial_that_never_reports_is_given_up_when_the_budget_is_spent(name, tmp_path):
    """The worker is killed, also while it still starts, and the run ends by itself.

    Once the trial hangs, the clock is beyond the budget: how long the baseline takes decides nothing.
    """
    pids = tmp_path / "pids"
    pids.mkdir()
    stage = study_dict()["stage"] | {
        "class": f"tests.ray_adapter.broken:{name}",
        "options": {"pids": str(pids)},
    }
    study, seconds = make_study(stage=stage, budget={"trials": 5, "hours": 1}), seconds_from_now()
    advisor = run_on_ray(
        study,
        tmp_path,
        clock=lambda: seconds() + 7200 * any(pids.iterdir()),
        patience=Patience(after_budget_s=1.0, after_budget_factor=0.0),
    )
    hung = advisor.records[-1]
    assert hung.state is TrialState.FAILED
    assert re.fullmatch(r"given up: no report for \d+ s, and the budget is spent", hung.reason)
    assert "is spent" in advisor.finish_reason
    (pid,) = (int(path.name) for path in pids.iterdir())
    wait_until(lambda: not is_alive(pid), timeout_s=30)


def test_a_trial_on_another_device_is_no_measurement_and_is_asked_again_until_that_is_hopeless(
    tmp_path, monkeypatch
):
    """No epoch is trained there; and what is refused counts neither as a retry nor as a failure."""
    assert bridge.MAX_ELSEWHERE == 5
    monkeypatch.setattr(bridge, "MAX_ELSEWHERE", 2)  # each starts a worker
    study = synthetic(trials=4, resources={"retries": 0})
    with pytest.raises(ClusterError, match="2 trials in a row were started on another device"):
        run_on_ray(study, tmp_path, device="NVIDIA H100")
    events = list(read_journal(tmp_path / "journal.jsonl"))
    ends = [event for event in events if event["event"] == "tell"]
    assert [end["state"] for end in ends] == ["discarded"] * 2
    assert all("but this run measures NVIDIA H100" in end["reason"] for end in ends)
    assert not [event for event in events if event["event"] == "observe"]
    assert {e["answer"]["purpose"] for e in events if e["event"] == "ask"} == {"baseline"}


@pytest.mark.parametrize(
    ("class_path", "message"),
    [
        ("tests.nowhere:Stage", "cannot be imported: No module named 'tests.nowhere'"),
        ("tests.stages:Nothing", "cannot be imported: .*no attribute 'Nothing'"),
        ("tests.studies:make_study", "is not a Ray Tune Trainable"),
        ("tests.ray_adapter.broken:Unfinished", r"lacks evaluate\(\), release\(\), train_epoch\(\)\."),
    ],
)
def test_a_stage_that_cannot_be_used_is_one_message(class_path, message, tmp_path):
    study = make_study(stage=study_dict()["stage"] | {"class": class_path})
    with pytest.raises(StageError, match=message):
        run_on_ray(study, tmp_path)


def test_a_study_that_wants_more_cpus_than_there_are_is_one_message(tmp_path, ray_resources):
    """Tune would wait for ever for a worker that cannot start."""
    study = make_study(resources={"cpus": ray_resources.num_cpus + 1})
    with pytest.raises(ClusterError, match=r"the study wants \d+ CPUs a trial; the cluster has \d+"):
        check_resources(study, ray_resources, [])
