"""An event loop over virtual seconds: workers train by a law, and the advisor is asked and told as on Ray.

Knows no law of its own.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from tuner.advisor import Ending, Finished, JournaledAdvisor, Run, Wait
from tuner.core.measurement import Measurement, Status
from tuner.errors import TunerError
from tuner.scheduling import Stop

Law = Callable[[Run, int], Measurement | None]
"""(what runs, epoch from 1) -> the report after that epoch, times cumulative; None: the worker is lost."""


class VirtualClock:
    """Seconds since the study began; the loop sets them."""

    now_s = 0.0

    def __call__(self) -> float:
        """The time now, virtual seconds."""
        return self.now_s


def simulate(advisor: JournaledAdvisor, law: Law, clock: VirtualClock, *, num_workers: int = 1) -> Finished:
    """Runs a study to its end in virtual time.

    Args:
        advisor: Made with `clock`.
        law: What training would report.
        clock: Ends at the study's virtual duration.
        num_workers: Trials at once.

    Returns:
        The advisor's last word.

    Raises:
        TunerError: The advisor asks for something else than runs, or waits while nothing runs.
    """
    order = count()
    pending: list[tuple[float, int, Run, Measurement | None]] = []

    def start_epoch(run: Run, epoch: int) -> None:
        report = law(run, epoch)
        took_s = report.epoch_time_s if report else 0.0
        heapq.heappush(pending, (clock.now_s + took_s, next(order), run, report))

    while True:
        while len(pending) < num_workers and isinstance(ask := advisor.ask(), Run):
            start_epoch(ask, 1)
        if not pending:
            break
        clock.now_s, _, run, report = heapq.heappop(pending)
        ending = _ending(advisor, run, report)
        if ending is None:
            assert report is not None  # a lost worker has an ending
            start_epoch(run, report.epoch + 1)
        else:
            advisor.tell(run.trial_id, ending)
    if not isinstance(ask, Finished):
        what = "waits while nothing runs" if isinstance(ask, Wait) else f"asks for {ask}"
        raise TunerError(f"the simulator runs trials only, but the advisor {what}.")
    return ask


def _ending(advisor: JournaledAdvisor, run: Run, report: Measurement | None) -> Ending | None:
    """How the trial ends with this report; None while it goes on."""
    if report is None:
        return Ending.failed("the worker was lost", is_lost=True)
    decision = advisor.observe(run.trial_id, report)
    if isinstance(decision, Stop):
        return Ending.stopped()
    if report.status is Status.OK and report.epoch < run.num_epochs:
        return None
    return Ending.of_report(report)
