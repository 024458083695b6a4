"""The kernel kills a stage's worker because memory ran out: its configuration does not fit."""

import os
import signal
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
import ray

from foundation.oom_kills import count_oom_kills
from tests.faults.test_hangs import ends, study_of
from tests.processes import wait_until
from tests.ray_adapter.test_trials import run_on_ray
from tests.stages import SyntheticStage
from tuner.core.trial import TrialState
from tuner.ray_adapter.bridge import KILLED_FOR_MEMORY
from tuner.ray_adapter.memory_kills import MemoryKills
from tuner.ray_adapter.overdue import Actors

pytestmark = pytest.mark.usefixtures("ray_resources")

CGROUPS = Path("/sys/fs/cgroup")
LIMIT_BYTES = 64 * 2**20


class RunsOutOfMemory(SyntheticStage):
    """Needs more than its control group has, with a batch size of 12; without one it only looks like that."""

    def build(self, params, seed, options):
        own = dict(options)
        cgroup, counter = own.pop("cgroup"), own.pop("counter")
        super().build(params, seed, own)
        if params["batch_size"] != 12:
            return
        if cgroup:
            Path(cgroup, "cgroup.procs").write_text(str(os.getpid()))
            b"x" * (4 * LIMIT_BYTES)
        Path(counter).write_text("oom_kill 8\n")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def counter(tmp_path, monkeypatch):
    """A control group with little memory, whose kills are counted: its path, and that of a file.

    The path is empty where no group can be made. Then the kills are counted in the file.
    """
    proc, name = tmp_path / "proc", f"dt-{uuid.uuid4().hex[:8]}"
    (proc / "self").mkdir(parents=True)
    (proc / "vmstat").write_text("oom_kill 7\n")
    group, limit, controllers = CGROUPS / "memory" / name, "memory.limit_in_bytes", "memory"
    if not (CGROUPS / "memory").is_dir():
        group, limit, controllers = CGROUPS / name, "memory.max", ""
    try:
        group.mkdir()
        (group / limit).write_text(str(LIMIT_BYTES))
        (proc / "self/cgroup").write_text(f"1:{controllers}:/{name}\n")
        cgroup = str(group)
    except OSError:
        cgroup = ""
    monkeypatch.setattr("tuner.ray_adapter.bridge.count_oom_kills", lambda: count_oom_kills(proc))
    yield {"cgroup": cgroup, "counter": str(proc / "vmstat")}
    with suppress(FileNotFoundError):
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_a_worker_killed_for_memory_is_infeasible_and_not_asked_again(counter, tmp_path):
    stage = {"class": f"{__name__}:RunsOutOfMemory", "options": counter, "num_epochs": 2}
    advisor = run_on_ray(study_of(stage), tmp_path)
    assert ends(advisor, 12) == [(TrialState.INFEASIBLE, KILLED_FOR_MEMORY)]
    assert {state for state, _ in ends(advisor, 24)} == {TrialState.COMPLETE}


def judged(num_kills, num_dead):
    """Whether the deaths of so many of three workers, one after another, are taken for kills for memory."""
    count = [5]
    kills = MemoryKills(lambda: count[0])
    for ray_id in "abc":
        kills.begun(ray_id)
    count[0] += num_kills
    return [
        kills.explain(ray_id, lambda left=num_dead - 1 - k: left) for k, ray_id in enumerate("abc"[:num_dead])
    ]


def test_a_kill_explains_one_death_and_none_where_nobody_knows_whose_it_was():
    assert judged(0, 1) == [False]
    assert judged(1, 1) == [True]
    assert judged(2, 2) == [True, True]
    assert judged(1, 2) == [False, False]
    assert judged(2, 3) == [False, False, False]
    assert judged(3, 1) == [True]


def test_a_kill_before_a_trial_began_says_nothing_of_it():
    count = [5]
    kills = MemoryKills(lambda: count[0])
    count[0] = 6
    kills.begun("a")
    assert not kills.explain("a", lambda: 0)


class Worker:
    """Does nothing."""


def test_the_death_of_a_worker_is_seen_whether_or_not_somebody_waits_for_it():
    worker = ray.remote(num_cpus=0)(Worker).remote()
    ray.get(worker.__ray_ready__.remote())
    actors = Actors()
    assert actors.num_dead("a trial") == 0  # Tune has not shown itself
    actors.controller = TuneWith({"one": worker, "other": None})
    assert actors.num_dead("other") == 0
    ray.kill(worker)
    wait_until(lambda: actors.num_dead("other") == 1)
    assert actors.num_dead("one") == 0


class TuneWith:
    """What is read of Tune's controller: which trial has which worker."""

    def __init__(self, workers):
        self._trial_to_actor = {trial: trial for trial in workers}
        self._actor_manager = self
        self._live_actors_to_ray_actors_resources = {
            trial: (worker, None) for trial, worker in workers.items() if worker is not None
        }
