"""Public tables are instances, where their packages are installed."""

import pytest

from benchmarks.search.arms import arms
from benchmarks.search.play import Task, play
from benchmarks.search.public import names as public_names
from benchmarks.search.public import public_instance


@pytest.mark.parametrize("name", public_names())
def test_a_public_table_is_an_instance_with_an_optimum(name):
    instance = public_instance(name, 0, budget_units=50, num_workers=1)
    assert instance.truth.optimum is not None
    assert instance.truth.time_s[instance.baseline] > instance.unit_s
    assert instance.truth.time_s.min() > 0
    assert not any(
        o.error for o in play(Task(arm="random", set_name="public", instance=name, seed=0), arms()["random"])
    )
