"""Watches the processes of a cluster that this driver did not start, by connecting to their ports.

A process of our own shows that it has ended; one of somebody else's, or on another machine, only that it is
out of reach. Knows sockets. Does not know what the processes are for.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import closing

INTERVAL_S = 1.0
"""Seconds between two attempts to reach a process; each may take as long."""

PATIENCE_S = 10.0
"""Seconds for which a process must be out of reach.

Shorter, and a network's hiccup, or a gcs_server that a cluster with fault tolerance starts anew, would end
runs. Longer, and Ray's C++, which ends the driver after 60, could come first: the run takes some to end.
"""

MIN_ATTEMPTS = 5
"""Attempts in a row that must fail: time alone passes while this process is suspended too."""


class Watch:
    """A thread that tries to reach processes, until it is stopped or one of them is gone.

    Args:
        addresses: HOST:PORT of each process, by the name that people are told.
        interval_s: Seconds between two attempts.
        patience_s: Seconds for which one must be out of reach.

    Attributes:
        gone: Name and address of the first process that is gone; empty while there is none.
    """

    def __init__(
        self, addresses: Mapping[str, str], *, interval_s: float = INTERVAL_S, patience_s: float = PATIENCE_S
    ) -> None:
        self.gone = ""
        self._addresses = dict(addresses)
        self._interval_s, self._patience_s = interval_s, patience_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watches the cluster", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        reached_s = dict.fromkeys(self._addresses, time.monotonic())
        num_failed = dict.fromkeys(self._addresses, 0)
        while not self._is_over.wait(self._interval_s):
            for name, address in self._addresses.items():
                if self._answers(address):
                    reached_s[name], num_failed[name] = time.monotonic(), 0
                    continue
                num_failed[name] += 1
                is_late = time.monotonic() - reached_s[name] >= self._patience_s
                if is_late and num_failed[name] >= MIN_ATTEMPTS:
                    self.gone = f"{name} at {address}"
                    return

    def _answers(self, address: str) -> bool:
        host, _, port = address.rpartition(":")
        try:
            with closing(socket.create_connection((host.strip("[]"), int(port)), self._interval_s)):
                return True
        except OSError:
            return False
