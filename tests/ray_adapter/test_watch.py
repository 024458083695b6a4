"""What is watched of a cluster that was joined, and when it is held to be gone."""

import socket
import time
from types import SimpleNamespace

import pytest

from tests.processes import wait_until
from tuner.ray_adapter import supervision
from tuner.ray_adapter.watch import MIN_ATTEMPTS, Watch

SOON = {"interval_s": 0.01}


@pytest.fixture
def listeners():
    """Two ports that answer, by the names of what would listen there."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield {"gcs_server": one, "raylet": other}


def addresses(listeners):
    return {name: f"127.0.0.1:{one.getsockname()[1]}" for name, one in listeners.items()}


@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_a_process_that_is_out_of_reach_for_long_is_gone_and_named_with_its_address(name, listeners):
    where = addresses(listeners)
    watch = Watch(where, patience_s=0.05, **SOON)
    listeners[name].close()
    wait_until(lambda: watch.gone)
    assert watch.gone == f"{name} at {where[name]}"
    watch.stop()


def test_one_that_comes_back_in_time_is_not_missed(listeners):
    """As a gcs_server does that a cluster with fault tolerance starts anew."""
    where = addresses(listeners)
    watch = Watch(where, patience_s=300, **SOON)
    listeners["gcs_server"].close()
    time.sleep(20 * SOON["interval_s"])
    port = int(where["gcs_server"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        time.sleep(20 * SOON["interval_s"])
        assert watch.gone == ""
        watch.stop()


def test_seconds_that_pass_while_this_process_is_suspended_are_no_reason(listeners, monkeypatch):
    """Only then does a clock go on for an hour between two attempts."""
    hours = iter(range(10**6))
    clock = SimpleNamespace(monotonic=lambda: 3600.0 * next(hours))
    monkeypatch.setattr("tuner.ray_adapter.watch.time", clock)
    attempts = []

    class Listens(Watch):
        def _answers(self, address):
            attempts.append(address)
            return super()._answers(address)

    where = addresses({"raylet": listeners["raylet"]}) | {"gcs_server": "127.0.0.1:1"}
    watch = Listens(where, **SOON)
    wait_until(lambda: watch.gone)
    watch.stop()
    assert attempts.count(where["gcs_server"]) == MIN_ATTEMPTS
    assert watch.gone == "gcs_server at 127.0.0.1:1"


def test_the_head_and_the_node_of_this_driver_are_watched(ray_resources):
    supervision.watch_cluster()
    watch, supervision._watch = supervision._watch, None
    watch.stop()
    assert set(watch._addresses) == {"gcs_server", "raylet"}
    assert all(map(watch._answers, watch._addresses.values()))
