"""An event loop over virtual seconds: workers train by a law, and the advisor is asked and told as on Ray.

Knows no law of its own.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Protocol

from tuner.advisor.messages import Ask, Ending, Finished, Probe, ProbeResult, Run, Wait
from tuner.core.measurement import Measurement, Status
from tuner.errors import TunerError
from tuner.runs.journal import Journal
from tuner.scheduling import Decision, Stop

Law = Callable[[Run, int], Measurement | None]
"""A law: (what runs, epoch from 1) -> the report after that epoch, cumulative; None if the worker is lost."""

ProbeLaw = Callable[[Probe], tuple[Sequence[ProbeResult], float]]
"""The type of a probe: configurations -> results, and the seconds taken beside the start."""


class Driven(Protocol):
    """The contract of what the loop drives: a `JournaledAdvisor`, or whatever behaves alike."""

    def ask(self) -> Ask:
        """Returns what to do next."""

    def observe(self, trial_id: str, measurement: Measurement) -> Decision:
        """Takes a report."""

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Takes the end of a trial."""

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Takes the results of a probe."""


class VirtualClock:
    """A clock of the seconds since the study began; the loop sets them."""

    now_s = 0.0

    def __call__(self) -> float:
        """The time now, virtual seconds."""
        return self.now_s


class Unwritten(Journal):
    """A journal that keeps nothing: for studies by the thousand, of which only the end is wanted."""

    def __init__(self) -> None:
        """Opens nothing."""

    def append(self, event: str, /, *, elapsed_s: float, **fields: Any) -> None:
        """Forgets the event."""

    def close(self) -> None:
        """Has nothing to close."""


@dataclass(slots=True, kw_only=True)
class Account:
    """Adds up the seconds that workers were busy, and with what; several workers add up.

    Attributes:
        training_s: Training epochs, by the purpose of the trial.
        startup_s: Starting trials and probes.
        evaluate_s: Evaluating after epochs.
        probe_s: Probing.
        lost_s: Waiting for lost workers, or running out of memory.
        num_trials: Trials that started.
    """

    training_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    startup_s: float = 0.0
    evaluate_s: float = 0.0
    probe_s: float = 0.0
    lost_s: float = 0.0
    num_trials: int = 0

    @property
    def total_s(self) -> float:
        """The seconds of all workers: GPU-seconds, with one GPU a worker."""
        others_s = self.startup_s + self.evaluate_s + self.probe_s + self.lost_s
        return sum(self.training_s.values()) + others_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The seconds that a worker spends beside training.

    Attributes:
        startup_s: Starting a trial or a probe: process, data, networks, warm-up.
        evaluate_s: Evaluating after an epoch.
        lost_s: Seconds until a lost worker is noticed.
        oom_s: Seconds until running out of memory shows.
    """

    startup_s: float = 0.0
    evaluate_s: float = 0.0
    lost_s: float = 0.0
    oom_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Trained:
    """A worker at the end of an epoch; no report: it is lost."""

    run: Run
    report: Measurement | None


@dataclass(frozen=True, slots=True)
class _Probed:
    """A worker at the end of a probe."""

    trial_id: str
    results: Sequence[ProbeResult]


def simulate(
    advisor: Driven,
    law: Law,
    clock: VirtualClock,
    *,
    num_workers: int = 1,
    probe: ProbeLaw | None = None,
    costs: Costs | None = None,
    account: Account | None = None,
) -> Finished:
    """Runs a study to its end in virtual time.

    Args:
        advisor: Made with `clock`.
        law: The law of what training would report.
        clock: Ends at the study's virtual duration.
        num_workers: Trials and probes at once.
        probe: Tells what a probe would; without it an advisor that probes is an error.
        costs: The seconds that go elsewhere than to training; nothing if not given.
        account: Filled with where the workers' time went.

    Returns:
        The advisor's last word.

    Raises:
        TunerError: The advisor asks for a probe without `probe`, or waits while nothing runs.
    """
    workers = _Workers(law, probe, costs or Costs(), account or Account(), clock)
    while True:
        while len(workers) < num_workers and not isinstance(ask := advisor.ask(), Wait | Finished):
            workers.start(ask)
        if not len(workers):
            break
        event = workers.next()
        if isinstance(event, _Probed):
            advisor.probed(event.trial_id, event.results)
        elif ending := _ending(advisor, event.run, event.report):
            advisor.tell(event.run.trial_id, ending)
        else:
            workers.go_on(event)
    if not isinstance(ask, Finished):
        raise TunerError("the advisor waits while nothing runs, so that it would wait for ever.")
    return ask


class _Workers:
    """The running trials, by the time at which they will be heard of."""

    def __init__(
        self, law: Law, probe: ProbeLaw | None, costs: Costs, account: Account, clock: VirtualClock
    ) -> None:
        self._law, self._probe, self._costs = law, probe, costs
        self._account, self._clock = account, clock
        self._order = count()
        self._pending: list[tuple[float, int, _Trained | _Probed]] = []

    def __len__(self) -> int:
        return len(self._pending)

    def next(self) -> _Trained | _Probed:
        """The next event; moves the clock there."""
        self._clock.now_s, _, event = heapq.heappop(self._pending)
        return event

    def start(self, ask: Run | Probe) -> None:
        """A worker takes what was asked for."""
        self._account.startup_s += self._costs.startup_s
        if isinstance(ask, Probe):
            self._start_probe(ask)
            return
        self._account.num_trials += 1
        self._train(ask, ask.from_epoch + 1, self._costs.startup_s)

    def go_on(self, event: _Trained) -> None:
        """The worker trains its next epoch."""
        assert event.report is not None  # a lost worker has an ending
        self._train(event.run, event.report.epoch + 1, 0.0)

    def _start_probe(self, probe: Probe) -> None:
        if self._probe is None:
            raise TunerError(
                f"the advisor asks for {probe}, but the simulator was given no law of probes.",
                "hand one to simulate(probe=...).",
            )
        results, took_s = self._probe(probe)
        self._account.probe_s += took_s
        self._push(self._costs.startup_s + took_s, _Probed(probe.trial_id, results))

    def _train(self, run: Run, epoch: int, started_s: float) -> None:
        report = self._law(run, epoch)
        if report is None or report.status is not Status.OK:
            beside_s = self._costs.lost_s if report is None else self._costs.oom_s
            self._account.lost_s += beside_s
        else:
            beside_s = self._costs.evaluate_s
            self._account.evaluate_s += beside_s
        trained_s = report.epoch_time_s if report else 0.0
        self._account.training_s[run.purpose.value] += trained_s
        if report and run.from_epoch:
            report = replace(report, resumed=True)
        self._push(started_s + trained_s + beside_s, _Trained(run, report))

    def _push(self, after_s: float, event: _Trained | _Probed) -> None:
        heapq.heappush(self._pending, (self._clock.now_s + after_s, next(self._order), event))


def _ending(advisor: Driven, run: Run, report: Measurement | None) -> Ending | None:
    """Returns how the trial ends with this report; None while it goes on."""
    if report is None:
        return Ending.failed("the worker was lost", is_lost=True)
    decision = advisor.observe(run.trial_id, report)
    if isinstance(decision, Stop):
        return Ending.stopped()
    if report.status is Status.OK and report.epoch < run.num_epochs:
        return None
    return Ending.of_report(report)
