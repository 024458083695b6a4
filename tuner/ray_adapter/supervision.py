"""Notices within a second that the private Ray has died: the driver would wait for it for ever.

Ray's processes end with the driver, but not the driver with them. Without its raylet no trial can end, and
Tune goes on waiting. A death is told by `dead_process`, and it brings Tune to rest.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

INTERVAL_S = 0.5
_NEEDED = ("raylet", "gcs_server")


def dead_process() -> str:
    """Name of a process of this driver's own Ray that has died; empty if none has, or Ray is not its own."""
    node = ray._private.worker._global_node
    processes = {} if node is None else node.all_processes
    for name in _NEEDED:
        if any(started.process.poll() is not None for started in processes.get(name, ())):
            return name
    return ""


@contextmanager
def supervised() -> Iterator[None]:
    """Sends this process SIGUSR1, on which Tune comes to rest, when its Ray dies within a `with` block.

    Until the block ends it is sent again and again: Tune listens only a little after `fit` begins.
    """
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(INTERVAL_S):
            if dead_process():
                os.kill(os.getpid(), signal.SIGUSR1)

    watcher = threading.Thread(target=watch, name="supervision", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
