"""Virtual time: workers overlap, and a driver that cannot serve an ask says so."""

import pytest

from tests.advisor.laws import run_study, smooth
from tests.studies import make_study
from tuner.advisor import Advisor, JournaledAdvisor
from tuner.advisor.messages import Probe
from tuner.errors import TunerError
from tuner.records.journal import Journal
from tuner.simulate import VirtualClock, simulate


def test_virtual_time_is_the_sum_of_what_one_worker_trained(tmp_path):
    advisor, _, clock = run_study(make_study(budget={"trials": 12, "hours": 10}), smooth, tmp_path / "j")
    assert clock.now_s == pytest.approx(sum(record.time_s for record in advisor.records))


def test_four_workers_run_at_the_same_time(tmp_path):
    study = make_study(budget={"trials": 12, "hours": 10}, scheduler={"rule": "none"})
    _, _, alone = run_study(study, smooth, tmp_path / "1")
    advisor, _, together = run_study(study, smooth, tmp_path / "4", num_workers=4)
    busy_s = sum(record.time_s for record in advisor.records)
    assert together.now_s < alone.now_s / 2
    assert together.now_s >= busy_s / 4


def test_an_ask_the_simulator_cannot_serve_is_named(tmp_path):
    class Prober(Advisor):
        def ask(self, elapsed_s=0.0):
            return Probe(trial_id="p", configs=(self.study.baseline,))

    clock = VirtualClock()
    advisor = JournaledAdvisor(Prober(make_study()), Journal(tmp_path / "j"), clock)
    with pytest.raises(TunerError, match=r"asks for Probe.*no law of probes"):
        simulate(advisor, smooth, clock)
