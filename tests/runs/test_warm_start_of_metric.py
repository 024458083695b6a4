"""An earlier run of another metric teaches nothing; one about another bound is put on this study's scale."""

import pytest

from tests.studies import make_study
from tuner.core.traits import StageTraits
from tuner.errors import WarmStartError
from tuner.runs.past_run import read_past_run
from tuner.runs.warm_start import check_same_study, read_run, warm_start_from
from tuner.simulate.session import run_simulated, simulated

FEW = {"batch_size": {"values": [6]}, "micro_batch": {"values": [3, 6]}, "num_taus": {"values": [5]}}
NLL = {"name": "nll", "range": "any"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    study = make_study(metric=NLL, target="nll < -3.2", budget={"trials": 3, "hours": 1})
    _, folder, _ = run_simulated(simulated(study), tmp_path_factory.mktemp("runs"), lambda *_: None)
    return folder


def test_values_stay_what_they_were_about_another_bound(folder):
    earlier, past = read_run(folder), read_past_run(folder)
    here = make_study(metric=NLL, target="nll < -3.0")
    check_same_study(earlier, here, is_simulated=True)
    learnt = warm_start_from(earlier, here, StageTraits())
    before = {run.config: run.nrmse for run in earlier.runs}
    record = next(r for r in past.records if r.config == here.baseline)
    (mine,) = {run.nrmse for run in learnt.runs if run.config == here.baseline and run.seed == record.seed}
    assert here.metric.value(mine) == pytest.approx(past.study.metric.newest(record))
    assert mine != before[here.baseline]


def test_the_same_bound_changes_nothing(folder):
    earlier = read_run(folder)
    learnt = warm_start_from(earlier, make_study(metric=NLL, target="nll < -3.2"), StageTraits())
    assert learnt.runs == earlier.runs


@pytest.mark.parametrize(
    ("metric", "target", "told"),
    [
        (
            {"name": "loss_2"},
            "loss_2 < 3",
            "metric.name differs: nll there, loss_2 here, so its nll does not",
        ),
        ({"name": "nll"}, "nll < 3", "metric.range differs: any there, positive here, so its nll does not"),
        ({"name": "nll", "goal": "maximize"}, "nll > 3", "metric.goal differs: minimize there, maximize"),
    ],
)
def test_another_metric_is_refused(folder, metric, target, told):
    with pytest.raises(WarmStartError, match=told):
        check_same_study(read_run(folder), make_study(metric=metric, target=target), is_simulated=True)


def test_a_run_that_says_nothing_of_a_metric_measured_nrmse(tmp_path):
    study = make_study(budget={"trials": 1, "hours": 1}, parameters=FEW, guide=None)
    _, folder, _ = run_simulated(simulated(study), tmp_path, lambda *_: None)
    earlier = read_run(folder)
    assert earlier.metric == study.metric
    with pytest.raises(WarmStartError, match="so its NRMSE does not apply here"):
        check_same_study(earlier, make_study(metric=NLL, target="nll < -3.2"), is_simulated=True)
