"""Runs each sink in a thread of its own, so that none delays the run, ends it or holds up another.

The first failure of a sink switches it off: one line says so, the traceback is kept in the run's folder.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.core.trial import TrialRecord
from tuner.errors import TunerError
from tuner.report.result import RunResult
from tuner.sinks.contract import ElsewhereError, Sink
from tuner.spec import StudySpec

Maker = Callable[[], Sink]

FLUSH_S, INTERRUPTED_FLUSH_S = 20.0, 5.0
"""How long the end of a run waits for what is not written yet, at most."""

PATIENCE_S = 1.0
"""How long it waits before it says that it does."""

LOW_PRIORITY = 5
"""As a nice value: a quarter of a core that somebody else wants too, so that the end is not kept waiting."""

PACE_S = 0.5
"""How long a sink waits for more before it writes. When an epoch ends the driver has something better to do:
it says how the trial goes on."""

_MAKING = threading.Lock()
"""Sinks are made one after the other: making one imports what it needs."""


class Sinks:
    """All sinks of a run as one; never raises, and `show` never waits.

    Args:
        makers: By its name, what makes a sink; called, as the sink is, in a thread of its own.
        say: Takes a line that people see; called from the caller's thread only.
    """

    def __init__(self, makers: Mapping[str, Maker], say: Callable[[str], None]) -> None:
        self._workers = [_Worker(name, make) for name, make in makers.items()]
        self._say = say

    @property
    def troubles(self) -> dict[str, str]:
        """What went wrong, by the sink's name."""
        return {worker.name: worker.trouble for worker in self._workers if worker.trouble}

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Begins; see `Sink.start`."""
        for worker in self._workers:
            worker.start(study, dict(provenance), folder)

    def show(self, record: TrialRecord) -> None:
        """Hands on a trial's newest record; a listener of `JournaledAdvisor`."""
        for worker in self._workers:
            worker.show(record)
        self._say_news()

    def finish(self, result: RunResult) -> None:
        """Hands on the result and waits for what is not written yet, but not for ever."""
        limit_s = INTERRUPTED_FLUSH_S if result.interrupted_by else FLUSH_S
        deadline = time.monotonic() + limit_s
        for worker in self._workers:
            worker.finish(result)
        self._wait(time.monotonic() + min(PATIENCE_S, limit_s))
        if late := self._late():
            self._say(f"writing to {_names(late)}, {limit_s:.0f} s at most ...")
            self._wait(deadline)
        self._say_news()
        if late := self._late():
            self._say(f"{_names(late)}: not written to the end; the run's own files are whole.")

    def _late(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.is_alive]

    def _wait(self, deadline: float) -> None:
        for worker in self._workers:
            worker.wait(deadline)

    def _say_news(self) -> None:
        for worker in self._workers:
            for line in worker.untold():
                self._say(line)


def _names(workers: Sequence[_Worker]) -> str:
    return ", ".join(worker.name for worker in workers)


class _Worker:
    """One sink, its thread, and what it has still to be shown: of every trial the newest record only."""

    def __init__(self, name: str, make: Maker) -> None:
        self.name, self.trouble = name, ""
        self._make = make
        self._changed = threading.Condition()
        self._pending: dict[str, TrialRecord] = {}
        self._result: RunResult | None = None
        self._sink: Sink | None = None
        self._told: set[str] = set()
        self._thread: threading.Thread | None = None

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(study, provenance, folder), name=f"sink-{self.name}", daemon=True
        )
        self._thread.start()

    def show(self, record: TrialRecord) -> None:
        if self.trouble:
            return
        with self._changed:
            self._pending[record.trial_id] = record
            self._changed.notify()

    def finish(self, result: RunResult) -> None:
        with self._changed:
            self._result = result
            self._changed.notify()

    def wait(self, deadline: float) -> None:
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def untold(self) -> list[str]:
        """What people are to be told, each line once."""
        lines = [f"{self.name}: {self._sink.notice}"] if self._sink and self._sink.notice else []
        if self.trouble:
            lines.append(f"{self.name} is off from here on, the run goes on without: {self.trouble}")
        new = [line for line in lines if line not in self._told]
        self._told.update(new)
        return new

    def _run(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        _yield_to_trials()
        try:
            with _MAKING:
                sink = self._sink = self._make()
            sink.start(study, provenance, folder)
            while records := self._next():
                for record in records:
                    sink.show(record)
            assert self._result is not None  # there are no more records because of it
            sink.finish(self._result)
        except (Exception, SystemExit) as error:
            line = (str(error).strip().splitlines() or [""])[0]
            says_all = isinstance(error, TunerError | ElsewhereError)
            self.trouble = line if says_all else f"{type(error).__name__}: {line}"
            _keep(folder / "errors" / f"output-{self.name}.txt", traceback.format_exc())

    def _next(self) -> Sequence[TrialRecord]:
        """Waits for records; none once there is a result and every record was shown."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._result is not None)
            self._changed.wait_for(lambda: self._result is not None, timeout=PACE_S)
            records = list(self._pending.values())
            self._pending.clear()
            return records


def _yield_to_trials() -> None:
    """Lets trials go before this thread and the processes it starts.

    Linux alone has priorities of single threads.
    """
    if sys.platform == "linux":
        value = max(LOW_PRIORITY, os.getpriority(os.PRIO_PROCESS, 0))  # it may only be lowered
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), value)


def _keep(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    except OSError:
        return  # a full disk is probably what the traceback is about; its first line was told
