"""Other projects' searches, where they are installed."""

import pytest

from benchmarks.search.arms import arms
from benchmarks.search.peers import installed
from benchmarks.search.play import Task, play


@pytest.mark.parametrize("arm", sorted(installed()))
def test_an_installed_peer_plays_to_its_end(arm):
    task = Task(arm=arm, set_name="dev", instance="dev-plateau-rtx4090", seed=0, budget_units=8)
    assert not any(o.error for o in play(task, arms()[arm]))
