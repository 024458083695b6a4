"""A trial's worker loads Ray Tune without Ray Data, which a stage can still use."""

import sys

import pytest
import ray
from ray import tune

from tests.stages import SyntheticStage
from trainables.ray_tune import without_ray_data

CONFIG = {
    "params": {"batch_size": 6, "micro_batch": 3, "num_taus": 5},
    "stage": {},
    "seed": 0,
    "num_epochs": 1,
    "num_threads": 1,
    "device": "",
}


def what_it_has(_trial):
    """Which modules were loaded, and what Ray Data and Ray Tune are once a stage asks for them."""
    had = sorted(sys.modules)
    import ray.data

    return had, ray.data.Dataset.__module__, ray.data is sys.modules["ray.data"], callable(ray.tune.Tuner)


@pytest.mark.usefixtures("ray_resources")
def test_a_worker_gets_ray_data_when_a_stage_asks_for_it_and_not_before():
    trial = ray.remote(tune.with_resources(SyntheticStage, {"cpu": 1})).remote(config=CONFIG)
    had, module, *are_whole = ray.get(trial.__ray_call__.remote(what_it_has))
    ray.kill(trial)
    assert "ray.tune" in had
    assert [name for name in had if name.startswith("ray.data")] == []
    assert (module, are_whole) == ("ray.data.dataset", [True, True])


def test_in_a_process_that_is_no_worker_nothing_is_changed(monkeypatch):
    monkeypatch.delitem(sys.modules, "ray.data")
    with without_ray_data():
        assert "ray.data" not in sys.modules
