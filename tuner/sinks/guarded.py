"""Calls each sink in turn, so that one that fails or hangs neither ends nor holds up the others for ever.

The first failure of a sink switches it off: one line says so, the traceback is kept in the run's folder. The
main thread calls them all; a signal of the clock interrupts one that takes too long.
"""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from foundation.one_line import first_line
from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord
from tuner.errors import TunerError
from tuner.runs.result import RunResult
from tuner.sinks.contract import Sink, SinkBusyError

Maker = Callable[[], Sink]

LIMIT_S = 60.0
"""Seconds that one call of a sink may take: a server that has not answered by then will not."""

AGAIN_S = 5.0
"""Seconds until it is interrupted again: the first time may go unheard, or its end may hang too."""


BUSY_PACE_S = 0.5
"""Seconds until a sink that was busy is called again, within the limit."""


class Overdue(BaseException):
    """A call took too long; not an `Exception`, after which a library might try again."""


class Sinks:
    """All sinks of a run as one; never raises.

    Args:
        makers: The function that makes each sink, by its name.
        say: Takes a line that people see.
        watch: Entered for each call of a sink.
    """

    def __init__(
        self,
        makers: Mapping[str, Maker],
        say: Callable[[str], None],
        watch: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._makers, self._say, self._watch = makers, say, watch
        self._sinks: dict[str, Sink] = {}
        self._told: set[str] = set()
        self.troubles: dict[str, str] = {}
        """The troubles so far, by the sink's name."""

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Makes each sink and begins; see `Sink.start`."""
        self._folder = folder
        for name, make in self._makers.items():
            self._call(name, partial(self._begin, name, make, study, provenance))

    def _begin(self, name: str, make: Maker, study: StudySpec, provenance: Mapping[str, Any]) -> None:
        self._sinks[name] = make()
        self._sinks[name].start(study, dict(provenance), self._folder)

    def show(self, records: Sequence[TrialRecord]) -> None:
        """Hands on records, in the order in which they became what they are."""
        for name, sink in list(self._sinks.items()):
            for record in records:
                if name not in self.troubles:
                    self._call(name, partial(sink.show, record))

    def finish(self, result: RunResult) -> None:
        """Hands the result on to every sink."""
        for name, sink in list(self._sinks.items()):
            if name not in self.troubles:
                self._call(name, partial(sink.finish, result))

    def _call(self, name: str, work: Callable[[], None]) -> None:
        try:
            with self._watch(), _limited(LIMIT_S):
                self._patiently(name, work)
        except (Exception, SystemExit, Overdue) as error:
            self._switch_off(name, error)
        self._say_notice(name)

    def _patiently(self, name: str, work: Callable[[], None]) -> None:
        """Does the work once nobody else holds what it writes to, and says that it waits for that."""
        while True:
            try:
                return work()
            except SinkBusyError as busy:
                self._say_once(f"{name} waits, and the run continues: {busy}")
                time.sleep(BUSY_PACE_S)

    def _switch_off(self, name: str, error: BaseException) -> None:
        self.troubles[name] = _told(error)
        _keep(self._folder / "errors" / f"output-{name}.txt", "".join(traceback.format_exception(error)))
        self._say(f"{name} is off from here on, and the run continues without it: {self.troubles[name]}")

    def _say_notice(self, name: str) -> None:
        sink = self._sinks.get(name)
        if sink is not None and sink.notice:
            self._say_once(f"{name}: {sink.notice}")

    def _say_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._say(line)


def _told(error: BaseException) -> str:
    line = first_line(str(error))
    says_all = isinstance(error, TunerError | Overdue)
    return line if says_all else f"{type(error).__name__}: {line}"


@contextmanager
def _limited(limit_s: float) -> Iterator[None]:
    """Raises `Overdue` out of what takes longer; a timer that somebody else had set goes on afterwards."""

    def ring(_signum: int, _frame: FrameType | None) -> None:
        raise Overdue(f"no answer within {limit_s:.0f} s")

    begun, handler = time.monotonic(), signal.signal(signal.SIGALRM, ring)
    left_s, _ = signal.setitimer(signal.ITIMER_REAL, limit_s, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left_s:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left_s - (time.monotonic() - begun)))


def _keep(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    except OSError:
        return  # a full disk is probably what the traceback is about; its first line was told
