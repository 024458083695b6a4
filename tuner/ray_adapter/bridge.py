"""The state that Tune's searcher and scheduler share: an advisor, trial ids, and the first error.

Tune turns an exception in a hook into the failure of an innocent trial, so none may escape: the
first one is kept, nothing more is started, and `launch` raises it when Tune has come to rest. Knows
Tune's order of events (documented at each method), not its classes. What stages report enters here, and is
checked by `core.entrance` before anything else sees it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from foundation.oom_kills import count_oom_kills
from tuner.advisor import Ending, Finished, Probe, Run, Wait
from tuner.advisor.pace import expected_report_s
from tuner.core.config import TrialConfig
from tuner.core.entrance import admit
from tuner.core.measurement import Measurement
from tuner.core.trial import TrialRecord
from tuner.core.untrained import starts
from tuner.errors import ClusterError, MissingFigureError, ReportError, WrongDeviceError
from tuner.ray_adapter.memory_kills import Count, MemoryKills
from tuner.ray_adapter.probes import probe_results
from tuner.ray_adapter.silence import PATIENCE, Patience, Silence
from tuner.runs.journaled import JournaledAdvisor
from tuner.scheduling import Stop

OnSilence = Callable[[str, float, float | None], None]
"""Takes a silent trial's or probe's id, the seconds it has been silent, and those after which it is given up.

The latter are infinite while nothing but the budget limits them, and None if it still waits for a worker.
"""

MAX_ELSEWHERE = 5
"""Trials in a row that may be started on another device than the run's before the run is given up."""

KILLED_FOR_MEMORY = "the host's memory ran out: the kernel killed the worker"


class Bridge:
    """Translates between Tune's trial ids and reports and the advisor's.

    Args:
        advisor: Decides.
        trial_config: Makes the dict that the stage's `setup` gets from a Run or a Probe.
        interrupted_by: Says what asked for an end, a signal or the death of Ray; empty while nothing did.
        device: Name of the device that the run measures; empty if any will do.
        patience: How long trials may be silent.
        on_silence: Hears once in each silence that it is a long one.
    """

    def __init__(
        self,
        advisor: JournaledAdvisor,
        trial_config: Callable[[Run | Probe], dict[str, Any]],
        interrupted_by: Callable[[], str],
        *,
        device: str = "",
        patience: Patience = PATIENCE,
        on_silence: OnSilence = lambda *_: None,
    ) -> None:
        self.advisor = advisor
        self.error: BaseException | None = None
        self.is_finished = False
        self._silence, self._on_silence = Silence(patience), on_silence
        self._kills = MemoryKills(count_oom_kills)
        if whole := [record for record in advisor.advisor.records if record.is_whole]:
            self._silence.recall(max(map(_longest_wait_s, whole)))
        self._hung: set[tuple[TrialConfig, ...]] = set()
        self._trial_config = trial_config
        self._interrupted_by = interrupted_by
        self._device = device
        self._asked: dict[str, Run | Probe] = {}
        self._asked_s: dict[str, float] = {}
        self._stopped: set[str] = set()
        self._refused: set[str] = set()
        self._failures: dict[str, Ending] = {}
        self._num_elsewhere = 0
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune pickles its searcher into its snapshots; ours is rebuilt from the journal instead."""
        return (object, ())

    def next_config(self, ray_id: str) -> dict[str, Any] | None:
        """The configuration to run under Tune's `ray_id`; None when there is none now, or none any more."""
        if self.is_finished or self._interrupted_by():
            self.is_finished = True
            return None
        with self.guarded():
            match self.advisor.ask():
                case Run() | Probe() as wanted:
                    self._asked[ray_id] = wanted
                    self._asked_s[ray_id] = self.advisor.elapsed_s
                    self._kills.begun(ray_id)
                    self._begin_silence(ray_id, wanted)
                    return self._trial_config(wanted)
                case Finished():
                    self.is_finished = True
                case Wait():
                    pass
        return None

    def trial_id(self, ray_id: str) -> str:
        """Our id of a trial of Tune's."""
        return self._asked[ray_id].trial_id

    def report(self, ray_id: str, result: Mapping[str, Any]) -> bool:
        """Takes a report; True when the trial is to be stopped.

        Tune calls it for every report but a trial's last, which comes with `complete`.
        """
        with self.guarded():
            self._silence.heard(ray_id)
            measurement = self._admitted(ray_id, result)
            if measurement is None:
                return True
            if isinstance(self.advisor.observe(self.trial_id(ray_id), measurement), Stop):
                self._stopped.add(ray_id)
        return ray_id in self._stopped or self.error is not None

    def note_failure(self, ray_id: str, ending: Ending) -> None:
        """Remembers how a trial failed; Tune then calls `fail` without saying it. The first cause counts."""
        self._failures.setdefault(ray_id, ending)

    def note_death(self, ray_id: str, num_dead: Count) -> None:
        """Takes that a trial's worker died on this machine without a word; `fail` follows.

        Args:
            ray_id: Id of the trial.
            num_dead: Counts the other trials under way whose workers are dead by now.
        """
        if not self._interrupted_by() and self._kills.explain(ray_id, num_dead):
            self.note_failure(ray_id, Ending.out_of_memory(KILLED_FOR_MEMORY))

    def turn(self) -> None:
        """Called at every turn of Tune's loop."""
        self._silence.turn()

    def is_given_up(self, ray_id: str, *, has_worker: bool) -> bool:
        """Whether the worker of a trial is to be killed; if so, its ending is noted.

        A trial that is silent for too long has failed; one of a stage that does not work is not at fault.

        Args:
            ray_id: Id of a trial that has not ended.
            has_worker: Whether it has a worker; else it waits for one.
        """
        if ray_id not in self._asked:
            return False
        with self.guarded():
            if has_worker:
                self._silence.placed(ray_id)
            ending = self._ending_of_silent(ray_id) or self._ending_of_broken()
            if ending is not None:
                self.note_failure(ray_id, ending)
                return True
            if self._silence.worth_a_word(ray_id):
                limit_s = self._silence.limit_s(ray_id) if has_worker else None
                self._on_silence(self.trial_id(ray_id), self._silence.silent_s(ray_id), limit_s)
        return False

    def _begin_silence(self, ray_id: str, wanted: Run | Probe) -> None:
        configs, timeout_s = _configs(wanted), self.advisor.advisor.study.stage.timeout_s
        self._silence.begun(
            ray_id,
            expected_s=expected_report_s(self.advisor.advisor.knowledge, configs),
            timeout_s=None if timeout_s is None else len(configs) * timeout_s,
        )

    def _ending_of_silent(self, ray_id: str) -> Ending | None:
        """Returns the end of a trial that is silent for too long; None while it is not.

        It may be the machine that made it hang, so it is asked again like a lost one, but only once: if it
        hangs again, its configuration has failed.
        """
        is_spent = self.advisor.elapsed_s >= self.advisor.advisor.study.budget.budget_s
        reason = self._silence.why_given_up(ray_id, is_budget_spent=is_spent)
        if not reason:
            return None
        configs = _configs(self._asked[ray_id])
        is_first = configs not in self._hung
        self._hung.add(configs)
        return Ending.failed(reason, is_lost=is_first and not is_spent)

    def _ending_of_broken(self) -> Ending | None:
        if self.advisor.advisor.is_broken:
            return Ending.discarded("nobody waits for it: the stage does not work")
        return None

    def complete(self, ray_id: str, result: Mapping[str, Any]) -> None:
        """Takes the last report of a trial that ended by itself or was stopped."""
        with self.guarded():
            trial_id, wanted = self.trial_id(ray_id), self._asked[ray_id]
            if ray_id in self._refused:
                return
            self._silence.heard(ray_id)
            self._kills.ended(ray_id)
            self._silence.ended(ray_id, is_whole=isinstance(wanted, Run) and ray_id not in self._stopped)
            if isinstance(wanted, Probe):
                self._complete_probe(wanted, result)
            elif ray_id in self._stopped:
                self.advisor.tell(trial_id, Ending.stopped())
            elif (measurement := self._admitted(ray_id, result)) is not None:
                self.advisor.observe(trial_id, measurement)
                self.advisor.tell(trial_id, Ending.of_report(measurement))

    def fail(self, ray_id: str) -> None:
        """Takes the end of a trial that raised or was lost.

        A worker that is lost because the run is being ended counts against nothing.
        """
        with self.guarded():
            self._silence.ended(ray_id)
            self._kills.ended(ray_id)
            lost = Ending.failed("the worker was lost", is_lost=True)
            ending = self._failures.pop(ray_id, lost)
            if ending.is_lost and (reason := self._interrupted_by()):
                ending = Ending.discarded(reason)
            if ray_id not in self._refused:
                self._tell(ray_id, ending)

    def interrupt(self, reason: str) -> None:
        """Ends what still runs when Tune came to rest without it.

        What was to be given up has failed; all else is discarded: a resumed run asks for it again.
        """
        with self.guarded():
            noted = {self.trial_id(ray_id): ending for ray_id, ending in self._failures.items()}
            for trial_id in self.advisor.advisor.open_ids:
                self.advisor.tell(trial_id, noted.get(trial_id, Ending.discarded(reason)))

    def take_over(self) -> None:
        """Keeps every thread but this one out for good: Tune's, once left behind, may go on at any time."""
        self._lock.acquire()

    def settle(self) -> None:
        """Asks for the last time, if Tune came to rest before it did, so that the run has its reason."""
        with self.guarded():
            if not self.advisor.advisor.finish_reason:
                answer = self.advisor.ask()
                if isinstance(answer, Run | Probe):
                    self.advisor.tell(answer.trial_id, Ending.discarded("Ray Tune ended"))

    def _complete_probe(self, wanted: Probe, result: Mapping[str, Any]) -> None:
        try:
            self.advisor.probed(wanted.trial_id, probe_results(wanted, result))
        except ReportError as error:
            self.advisor.tell(wanted.trial_id, Ending.failed(str(error)))

    def _admitted(self, ray_id: str, result: Mapping[str, Any]) -> Measurement | None:
        """A report that may be believed; None when it is refused, and the trial has ended."""
        advisor = self.advisor.advisor
        record, known = advisor.record(self.trial_id(ray_id)), starts(advisor.records)
        wall_s = self.advisor.elapsed_s - self._asked_s[ray_id]
        try:
            report = admit(
                result,
                record,
                metric=advisor.study.metric,
                device=self._device,
                wall_s=wall_s,
                starts=known,
            )
        except WrongDeviceError as error:
            ending = Ending.discarded(str(error), is_elsewhere=True)
        except ReportError as error:
            ending = Ending.failed(str(error), is_general=isinstance(error, MissingFigureError))
        else:
            self._num_elsewhere = 0
            return report
        self._refused.add(ray_id)
        self._tell(ray_id, ending)
        return None

    def _tell(self, ray_id: str, ending: Ending) -> None:
        trial_id = self.trial_id(ray_id)
        self.advisor.tell(trial_id, ending)
        self._num_elsewhere = self._num_elsewhere + 1 if ending.is_elsewhere else 0
        if self._num_elsewhere >= MAX_ELSEWHERE:
            raise ClusterError(
                f"{MAX_ELSEWHERE} trials in a row were started on another device: {ending.reason}.",
                "give the run nodes of one kind (Ray's accelerator types tell them apart), then --resume it.",
            )

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keeps the first exception of a `with` block, after which nothing more is started."""
        try:
            with self._lock:
                yield
        except BaseException as error:  # Tune would pass one that is no Exception on, or end without a word
            self.error = self.error or error
            self.is_finished = True


def _longest_wait_s(record: TrialRecord) -> float:
    """Returns the most seconds that passed before a report of a trial, as far as it says."""
    first = record.measurements[0]
    start_s = first.setup_time_s + first.warmup_time_s + first.time_s + first.evaluate_time_s
    return max(start_s, *(report.epoch_time_s for report in record.measurements))


def _configs(wanted: Run | Probe) -> tuple[TrialConfig, ...]:
    return wanted.configs if isinstance(wanted, Probe) else (wanted.config,)
