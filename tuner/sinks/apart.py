"""A sink in a process of its own, for one whose Python would take the driver's interpreter from it.

It begins with the priority of the thread that starts it, and ends when the driver does.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tuner.core.trial import TrialRecord
from tuner.errors import TunerError
from tuner.report.result import RunResult
from tuner.sinks.contract import Sink
from tuner.spec import StudySpec


class ElsewhereError(Exception):
    """What was raised in another process, in its words: the type and the message."""


class Apart(Sink):
    """Hands every call to a sink in another process, waits for it, and raises what it raised.

    Args:
        make: Makes the sink there; must be picklable.
    """

    def __init__(self, make: Callable[[], Sink]) -> None:
        self._make = make

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Starts the process too, which imports what the sink needs."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        self._process.start()
        theirs.close()
        self._call("start", study, dict(provenance), folder)

    def show(self, record: TrialRecord) -> None:
        """See `Sink.show`."""
        self._call("show", record)

    def finish(self, result: RunResult) -> None:
        """Ends the process too, which nobody waits for: what it was told is done."""
        self._call("finish", result)
        self._pipe.close()

    def _call(self, name: str, *args: Any) -> None:
        try:
            self._pipe.send((name, args))
            self.notice, error, where = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise ChildProcessError(f"its process ended with {self._process.exitcode}") from None
        if error is not None:
            error.add_note(where)
            raise error


def _serve(pipe: Connection, make: Callable[[], Sink]) -> None:
    """Does what it is told until the driver says no more, or is gone."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the terminal's, sent to all: the driver decides what follows
    sink = None
    while True:
        try:
            name, args = pipe.recv()
        except EOFError:
            return
        error: TunerError | ElsewhereError | None = None
        where = ""
        try:
            sink = sink or make()
            getattr(sink, name)(*args)
        except TunerError as raised:
            error, where = raised, traceback.format_exc()
        except (Exception, SystemExit) as raised:
            error = ElsewhereError(f"{type(raised).__name__}: {raised}")
            where = traceback.format_exc()
        pipe.send((sink.notice if sink else "", error, where))
