"""A run from its first event to its last, in the order in which nothing is lost.

Ray and the simulator enter here with all that they differ in: how trials are run, and what time it is. The
study and the journal are on disk before the first trial, and the outputs are written whatever ends the run:
its own end, a signal, or a failure. What a run is written to besides its own files is another process's (see
`follower`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from foundation.blas import one_blas_thread
from tuner.errors import Interrupted
from tuner.runs.checkpoints import Checkpoints
from tuner.runs.ending import Outputs, end_run
from tuner.runs.follower import Follower
from tuner.runs.journaled import JournaledAdvisor, Listener
from tuner.runs.open_run import OpenRun
from tuner.runs.result import RunResult

Say = Callable[[str], None]
"""Takes a line that people see."""


class Stopwatch:
    """Measures the seconds since a run began; only the time in which it runs trials counts.

    Args:
        before_s: Counted by earlier processes of the run.
    """

    def __init__(self, before_s: float = 0.0) -> None:
        self._before_s = before_s
        self._started: float | None = None

    def start(self) -> None:
        """Starts the stopwatch, which stands until then."""
        self._started = time.monotonic()

    def __call__(self) -> float:
        """Returns the seconds that have passed so far."""
        return self._before_s + (0.0 if self._started is None else time.monotonic() - self._started)


def carry_out(  # each is one thing that the runs of Ray and of the simulator differ in
    run: OpenRun,
    run_trials: Callable[[JournaledAdvisor], object],
    clock: Callable[[], float],
    outputs: Outputs,
    say: Say,
    *,
    listeners: Sequence[Listener] = (),
    interrupted_by: Callable[[], str] = lambda: "",
) -> RunResult:
    """Runs trials until the advisor has finished, and writes what was found, whatever ends them.

    Args:
        run: Open; its journal is closed here.
        run_trials: Drives the advisor to its end.
        clock: Gives the seconds since the run began.
        outputs: Writes what people read.
        say: Takes lines on what could not be written, here or elsewhere.
        listeners: Functions that hear every event; see `JournaledAdvisor`.
        interrupted_by: Names the signal that came; empty when none did. A run that has finished by itself
            is not interrupted any more.

    Raises:
        TunerError: Any error that ended the run, or kept its outputs from being written.
    """
    follower = Follower.of(run.folder, run.advisor.study, run.provenance, say)
    error: BaseException | None = None
    with one_blas_thread():
        try:
            run_trials(JournaledAdvisor(run.advisor, run.journal, clock, listeners, Checkpoints(run.folder)))
        except Interrupted:
            raise
        except BaseException as caught:  # a plug-in that exits would end the run as if all were well
            error = caught
        signal = "" if run.advisor.finish_reason else interrupted_by()
        ended = end_run(run, clock(), outputs, interrupted_by=signal, error=error)
    try:
        for trouble in ended.troubles:
            say(trouble)
        follower.wait(is_interrupted=bool(interrupted_by()))
        if ended.failure:
            say(f"what was finished is in {run.folder}")
    finally:
        if ended.failure:
            raise ended.failure
    return ended.result
