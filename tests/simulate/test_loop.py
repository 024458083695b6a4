"""Virtual time: workers overlap, and a driver that cannot serve an ask says so."""

import time
from dataclasses import replace

import pytest

from tests.advisor.laws import run_study, smooth
from tests.studies import make_study, report
from tuner.advisor import Advisor, Finished, Run, Wait
from tuner.advisor.messages import Probe
from tuner.core.measurement import Status
from tuner.core.trial import Purpose, TrialState
from tuner.errors import TunerError
from tuner.runs.journal import Journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.scheduling import Continue, Stop
from tuner.simulate import Account, Costs, VirtualClock, simulate


def test_virtual_time_is_the_sum_of_what_one_worker_trained(tmp_path):
    advisor, _, clock = run_study(make_study(budget={"trials": 12, "hours": 10}), smooth, tmp_path / "j")
    assert clock.now_s == pytest.approx(sum(record.time_s for record in advisor.records))


def test_four_workers_run_at_the_same_time(tmp_path):
    study = make_study(budget={"trials": 12, "hours": 10}, scheduler={"rule": "none"})
    advisor, _, together = run_study(study, smooth, tmp_path / "4", num_workers=4)
    busy_s = sum(record.time_s for record in advisor.records)
    assert busy_s / 4 <= together.now_s < busy_s / 1.5


def test_an_ask_the_simulator_cannot_serve_is_named(tmp_path):
    class Prober(Advisor):
        def ask(self, elapsed_s=0.0):
            return Probe(trial_id="p", configs=(self.study.baseline,))

    clock = VirtualClock()
    advisor = JournaledAdvisor(Prober(make_study()), Journal(tmp_path / "j"), clock)
    with pytest.raises(TunerError, match=r"asks for Probe.*no law of probes"):
        simulate(advisor, smooth, clock)


class Script:
    """Asks for what it was given, one after another, and notes what it is told."""

    def __init__(self, asks, clock):
        self._asks, self._clock = list(asks), clock
        self._running = 0
        self.heard = []

    def ask(self):
        if self._asks:
            self._running += 1
            return self._asks.pop(0)
        return Wait() if self._running else Finished(reason="the script is over")

    def observe(self, trial_id, measurement):
        self.heard.append((self._clock.now_s, trial_id, measurement.epoch, measurement.resumed))
        is_stop = trial_id == "stop" and measurement.epoch == 2 and not measurement.resumed
        return Stop("told to") if is_stop else Continue()

    def tell(self, trial_id, ending):
        self._running -= 1
        self.heard.append((self._clock.now_s, trial_id, ending.state, ending.is_lost))

    def probed(self, trial_id, results):
        self._running -= 1
        self.heard.append((self._clock.now_s, trial_id, tuple(results), False))


def ten_seconds(run: Run, epoch: int):
    """Every epoch takes 10 s; the trial `lost` loses its worker in its second, `oom` does not fit."""
    if run.trial_id == "lost" and epoch == 2:
        return None
    if run.trial_id == "oom":
        return report(0, float("nan"), 0.0, 0.0, status=Status.OOM)
    return report(epoch, 0.09, 10.0 * epoch, 10.0)


BASELINE = make_study().baseline


def run_of(trial_id: str, purpose=Purpose.SEARCH) -> Run:
    return Run(trial_id=trial_id, config=BASELINE, seed=0, num_epochs=3, purpose=purpose)


def play(*asks, num_workers: int = 1, **options):
    clock, account = VirtualClock(), Account()
    script = Script(asks, clock)
    simulate(script, ten_seconds, clock, num_workers=num_workers, account=account, **options)
    return script.heard, clock, account


COSTS = Costs(startup_s=5.0, evaluate_s=1.0, lost_s=7.0, oom_s=2.0)


def test_a_trial_costs_its_start_its_epochs_and_their_evaluation():
    heard, clock, account = play(run_of("a"), costs=COSTS)
    assert [when for when, *_ in heard] == [16.0, 27.0, 38.0, 38.0]
    assert (account.startup_s, account.evaluate_s, dict(account.training_s)) == (5.0, 3.0, {"search": 30.0})
    assert account.total_s == clock.now_s == 38.0


def test_a_probe_occupies_a_worker_for_its_start_and_its_duration():
    def probe(ask: Probe):
        return [f"result of {config}" for config in ask.configs], 4.0

    asks = (Probe(trial_id="p", configs=("x", "y")), run_of("a"))
    heard, _, account = play(*asks, probe=probe, costs=COSTS)
    assert heard[0] == (9.0, "p", ("result of x", "result of y"), False)
    assert heard[1][0] == 9.0 + 16.0
    assert (account.probe_s, account.num_trials) == (4.0, 1)


def test_a_stopped_trial_is_told_as_stopped_and_trains_no_more():
    heard, _, account = play(run_of("stop"), costs=COSTS)
    assert heard[2][2:] == (TrialState.STOPPED, False)
    assert account.training_s["search"] == 20.0


def test_a_trial_that_goes_on_from_a_checkpoint_starts_after_its_epoch_and_says_so():
    heard, _, account = play(replace(run_of("again"), resumed_from="lost", from_epoch=1), costs=COSTS)
    assert [(epoch, resumed) for _, _, epoch, resumed in heard[:-1]] == [(2, True), (3, True)]
    assert account.training_s["search"] == 20.0
    assert account.startup_s == 5.0


def test_a_lost_trial_costs_what_it_trained_and_the_wait_and_is_told_as_lost():
    heard, clock, account = play(run_of("lost"), costs=COSTS)
    assert heard[-1][2:] == (TrialState.FAILED, True)
    assert account.lost_s == 7.0
    assert clock.now_s == account.total_s == 5.0 + 11.0 + 7.0


def test_running_out_of_memory_costs_its_own_seconds():
    heard, _, account = play(run_of("oom"), costs=COSTS)
    assert heard[-1][2] is TrialState.INFEASIBLE
    assert account.total_s == 5.0 + 2.0


def test_the_account_tells_purposes_apart_and_adds_up_over_workers():
    asks = (run_of("a", Purpose.BASELINE), run_of("b", Purpose.REPLICATE), run_of("c"))
    _, clock, account = play(*asks, num_workers=3)
    assert dict(account.training_s) == {"baseline": 30.0, "replicate": 30.0, "search": 30.0}
    assert (clock.now_s, account.total_s) == (30.0, 90.0)


def test_an_advisor_that_waits_for_ever_is_an_error():
    class Waiting(Script):
        def ask(self):
            return Wait()

    clock = VirtualClock()
    with pytest.raises(TunerError, match="waits while nothing runs"):
        simulate(Waiting((), clock), ten_seconds, clock)


def test_the_loop_plays_thousands_of_trials_a_second():
    began = time.process_time()
    _, _, account = play(*(run_of(f"{k}") for k in range(4000)))
    assert account.num_trials == 4000
    assert time.process_time() - began < 2.0
