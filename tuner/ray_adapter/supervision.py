"""Runs what waits for Ray in a thread of its own, so that the run can end when Ray does not answer any more.

Ray's processes end with the driver, but not the driver with them. Without its raylet no trial can end, and
Tune goes on waiting; without its gcs_server Tune waits within Ray's C++, which hears no signal and ends the
process after a minute with exit code 1. So the main thread only looks on. It asks the other thread to come
to rest, and leaves it behind if it does not; the process must then end by `leave_at_once`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from itertools import chain
from typing import TypeVar

import ray

from tuner.errors import ClusterError
from tuner.ray_adapter.interrupts import Interrupts, leave_at_once
from tuner.ray_adapter.watch import Watch

INTERVAL_S = 0.2

PATIENCE_S = 15.0
"""Seconds that a thread may take to come to rest after a signal; Tune waits 5 for each of its workers."""

PATIENCE_WITH_THE_DEAD_S = 3.0
"""The same once Ray has died: nothing that the thread waits for will come."""

_NEEDED = ("raylet", "gcs_server")
_THREAD = "waits for Ray"
_watch: Watch | None = None

T = TypeVar("T")


class LeftBehindError(Exception):
    """The thread did not come to rest, and may still go on at any time."""


def watch_cluster() -> None:
    """Begins to watch the processes of a cluster that was joined, without which no trial can run.

    Those are the head's gcs_server and the raylet of the node that this driver is on.
    """
    global _watch  # noqa: PLW0603  # a process joins one cluster at a time
    node = ray._private.worker._global_node
    here = ray.get_runtime_context().get_node_id()
    (own,) = (one for one in ray.nodes() if one["NodeID"] == here)
    raylet = f"{own['NodeManagerAddress']}:{own['NodeManagerPort']}"
    _watch = Watch({"gcs_server": str(node.gcs_address), "raylet": raylet})


def dead_process() -> str:
    """Name of a process that this driver's Ray needs and that has died; empty if none has.

    Of a cluster that was joined, it has died or is out of reach, and the name comes with its address.
    """
    processes = _own_processes()
    for name in _NEEDED:
        if any(process.poll() is not None for process in processes.get(name, ())):
            return name
    return "" if _watch is None else _watch.gone


def _own_processes() -> dict[str, list[subprocess.Popen[bytes]]]:
    """The processes that this driver has started for its Ray, by name; none for a Ray that is not its own."""
    node = ray._private.worker._global_node
    started = {} if node is None else node.all_processes
    return {name: [one.process for one in several] for name, several in started.items()}


def ray_is_own() -> bool:
    """Whether this driver has started the Ray that it is connected to."""
    return bool(_own_processes())


def ray_died(process: str) -> ClusterError:
    """Returns the error for a Ray that ended in mid-run, by whoever killed it.

    Args:
        process: As `dead_process` names it.
    """
    if process in _NEEDED:
        return ClusterError(
            f"Ray's process {process} died, so that no trial can run any more.",
            "continue with --resume RUN; if it happens again, see whether the machine ran out of memory "
            "(dmesg).",
        )
    return ClusterError(
        f"Ray's process {process} died or is out of reach, so that no trial can run any more.",
        "see that the cluster is up, then continue with --resume RUN.",
    )


def supervised(work: Callable[[threading.Event], T], interrupts: Interrupts) -> T:
    """Does work that waits for Ray, and stays able to end the run.

    Args:
        work: Comes to rest soon after the event it is given is set: by a signal, or when Ray dies.
        interrupts: Entered already.

    Returns:
        What the work returns, which may have been cut short.

    Raises:
        LeftBehindError: It did not come to rest.
        Exception: What the work raises.
    """
    at_rest, future = threading.Event(), Future[T]()

    def run() -> None:
        try:
            future.set_result(work(at_rest))
        except BaseException as error:  # raised where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    asked_s: float | None = None
    while not wait([future], INTERVAL_S).done:
        is_dead = bool(dead_process())
        if not is_dead and interrupts.signum is None:
            continue
        at_rest.set()
        asked_s = asked_s or time.monotonic()
        if time.monotonic() - asked_s > (PATIENCE_WITH_THE_DEAD_S if is_dead else PATIENCE_S):
            raise LeftBehindError
    return future.result()


def shut_down() -> None:
    """Ends this driver's Ray; by force when it has died or a thread was left behind that still uses it.

    Ray's own way would wait for what does not answer. What its processes have started is in their process
    groups, and ends with them.
    """
    global _watch  # noqa: PLW0603  # see `watch_cluster`
    if not dead_process() and not any(thread.name == _THREAD for thread in threading.enumerate()):
        if _watch is not None:
            _watch.stop()
            _watch = None
        ray.shutdown()
        return
    leave_at_once()
    for process in chain.from_iterable(_own_processes().values()):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
