"""What Tune's searcher and scheduler share: one advisor, the trial ids, and the first thing that went wrong.

Tune turns an exception in a hook into the failure of an innocent trial, so none may escape: the
first one is kept, nothing more is started, and `launch` raises it when Tune has come to rest. Knows
Tune's order of events (documented at each method), not its classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tuner.advisor import Ending, Finished, JournaledAdvisor, Probe, ProbeResult, Run, Wait
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.errors import ClusterError
from tuner.scheduling import Stop


class Bridge:
    """Translates between Tune's trial ids and reports and the advisor's.

    Args:
        advisor: Decides.
        trial_config: Makes the dict that the stage's `setup` gets from a Run or a Probe.
        is_interrupted: Says whether a signal asked for an end.
    """

    def __init__(
        self,
        advisor: JournaledAdvisor,
        trial_config: Callable[[Run | Probe], dict[str, Any]],
        is_interrupted: Callable[[], bool],
    ) -> None:
        self.advisor = advisor
        self.error: Exception | None = None
        self.is_finished = False
        self._trial_config = trial_config
        self._is_interrupted = is_interrupted
        self._trial_ids: dict[str, str] = {}
        self._stopped: set[str] = set()
        self._failures: dict[str, Ending] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune pickles its searcher into its snapshots; ours is rebuilt from the journal instead."""
        return (object, ())

    def next_config(self, ray_id: str) -> dict[str, Any] | None:
        """The configuration to run under Tune's `ray_id`; None when there is none now, or none any more."""
        if self.is_finished or self._is_interrupted():
            self.is_finished = True
            return None
        with self._guarded():
            match self.advisor.ask():
                case Run() | Probe() as wanted:
                    self._trial_ids[ray_id] = wanted.trial_id
                    return self._trial_config(wanted)
                case Finished():
                    self.is_finished = True
                case Wait():
                    pass
                case other:
                    raise ClusterError(f"this driver cannot do what the advisor asks for: {other}.")
        return None

    def trial_id(self, ray_id: str) -> str:
        """Our id of a trial of Tune's."""
        return self._trial_ids[ray_id]

    def report(self, ray_id: str, result: Mapping[str, Any]) -> bool:
        """Takes a report; True when the trial is to be stopped.

        Tune calls it for every report but a trial's last, which comes with `complete`.
        """
        with self._guarded():
            decision = self.advisor.observe(self._trial_ids[ray_id], Measurement.from_dict(result))
            if isinstance(decision, Stop):
                self._stopped.add(ray_id)
        return ray_id in self._stopped or self.error is not None

    def note_failure(self, ray_id: str, ending: Ending) -> None:
        """Remembers how a trial failed; Tune then calls `fail` without saying it."""
        self._failures[ray_id] = ending

    def complete(self, ray_id: str, result: Mapping[str, Any]) -> None:
        """Takes the last report of a trial that ended by itself or was stopped."""
        with self._guarded():
            trial_id = self._trial_ids[ray_id]
            if "probe" in result:
                self.advisor.probed(trial_id, [_probe_result(values) for values in result["probe"]])
                return
            measurement = Measurement.from_dict(result)
            if ray_id in self._stopped:
                self.advisor.tell(trial_id, Ending.stopped())
                return
            self.advisor.observe(trial_id, measurement)
            self.advisor.tell(trial_id, Ending.of_report(measurement))

    def fail(self, ray_id: str) -> None:
        """Takes the end of a trial that raised or was lost."""
        with self._guarded():
            lost = Ending.failed("the worker was lost", is_lost=True)
            self.advisor.tell(self._trial_ids[ray_id], self._failures.pop(ray_id, lost))

    def interrupt(self, reason: str) -> None:
        """Loses what still runs when Tune came to rest without it: a resumed run asks for it again."""
        with self._guarded():
            for trial_id in self.advisor.advisor.open_ids:
                self.advisor.tell(trial_id, Ending.failed(reason, is_lost=True))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            self.is_finished = True


def _probe_result(values: Mapping[str, Any]) -> ProbeResult:
    """What a stage's probe says of one configuration."""
    return ProbeResult(
        config=TrialConfig.from_dict(values["params"]),
        status=Status(values["status"]),
        epoch_time_s=float(values["epoch_time_s"]),
        peak_memory_gib=float(values["peak_memory_gib"]),
    )
