"""An advisor whose calls are written down: the journal is the list of these calls.

What comes in is on disk before the advisor hears it; what the advisor answers is written beside it,
so that a replay can check itself. Knows no Ray: the clock is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuner.advisor.advisor import Advisor
from tuner.advisor.messages import (
    PROBE_PREFIX,
    Ask,
    Ending,
    Finished,
    ProbeResult,
    Run,
    Wait,
    ask_as_dict,
    ending_as_dict,
    probe_as_dict,
)
from tuner.core.measurement import Measurement
from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord
from tuner.runs.checkpoints import Checkpoints
from tuner.runs.journal import Journal
from tuner.runs.lines import FORMAT
from tuner.scheduling import Decision, Stop

Listener = Callable[[TrialRecord], None]


def write_start(
    journal: Journal, study: StudySpec, advisor: Advisor, provenance: Mapping[str, Any], num_workers: int
) -> None:
    """Writes the first line: what the run knows before its first trial."""
    journal.append(
        "start",
        elapsed_s=0.0,
        format=FORMAT,
        study=study.as_dict(),
        provenance=provenance,
        traits=advisor.traits.as_dict(),
        num_workers=num_workers,
        prior=advisor.warm_start.as_dict() if advisor.warm_start else None,
    )


class JournaledAdvisor:
    """Forwards each call to an advisor, writes it down, and shows listeners what it changed.

    Args:
        advisor: Decides.
        journal: Remembers.
        clock: Gives the seconds since the study began.
        listeners: Called with a trial's new record after each call that changed it.
        checkpoints: Checkpoints of the run; None if none are taken.
    """

    def __init__(
        self,
        advisor: Advisor,
        journal: Journal,
        clock: Callable[[], float],
        listeners: Sequence[Listener] = (),
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.advisor = advisor
        self.checkpoints = checkpoints
        self._journal = journal
        self._clock = clock
        self._listeners = listeners

    @property
    def elapsed_s(self) -> float:
        """Seconds since the study began, rounded as the journal holds them."""
        return round(self._clock(), 3)

    def ask(self) -> Ask:
        """Asks the advisor; see `Advisor.ask`. Waits, which change nothing, are not written."""
        now = self.elapsed_s
        answer = self.advisor.ask(now)
        if not isinstance(answer, Wait):
            self._journal.append("ask", elapsed_s=now, answer=ask_as_dict(answer))
        if isinstance(answer, Run):
            self._show(answer.trial_id)
        if isinstance(answer, Finished):
            self._drop_checkpoints()
        return answer

    def observe(self, trial_id: str, measurement: Measurement) -> Decision:
        """Passes on a report; see `Advisor.observe`."""
        now = self.elapsed_s
        self._journal.append("observe", elapsed_s=now, trial_id=trial_id, measurement=measurement.as_dict())
        decision = self.advisor.observe(trial_id, measurement, now)
        if isinstance(decision, Stop):
            self._journal.append("stop", elapsed_s=now, trial_id=trial_id, reason=decision.reason)
        self._show(trial_id)
        return decision

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Passes on the results of a probe; see `Advisor.probed`."""
        now = self.elapsed_s
        plain = [probe_as_dict(result) for result in results]
        self._journal.append("probed", elapsed_s=now, trial_id=trial_id, results=plain)
        self.advisor.probed(trial_id, results, now)

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Passes on the end of a trial, with the checkpoint on disk of a lost one; see `Advisor.tell`."""
        if self.checkpoints and ending.is_lost:
            ending = replace(ending, checkpoint_epoch=self.checkpoints.epoch_of(trial_id))
        self._journal.append("tell", elapsed_s=self.elapsed_s, trial_id=trial_id, **ending_as_dict(ending))
        before = _dropped(self.advisor)
        self.advisor.tell(trial_id, ending)
        for what, reason in _dropped(self.advisor).items():
            if reason != before[what]:
                self._journal.append(what, elapsed_s=self.elapsed_s, reason=reason)
        self._drop_checkpoints()
        if not trial_id.startswith(PROBE_PREFIX):
            self._show(trial_id)

    def retry(self) -> None:
        """Retries a broken stage; see `Advisor.retry`."""
        self._journal.append("retry", elapsed_s=self.elapsed_s)
        self.advisor.retry()

    def certify(self, hours: float | None) -> None:
        """Continues the certificate; see `Advisor.certify`."""
        looked, looked_runs = self.advisor.num_judged
        seen = {"looked": looked, "looked_runs": looked_runs}
        self._journal.append("certify", elapsed_s=self.elapsed_s, hours=hours, **seen)
        self.advisor.certify(hours)

    def _drop_checkpoints(self) -> None:
        """Drops the checkpoints of all trials that have ended for good."""
        if self.checkpoints:
            self.checkpoints.keep_only(self.advisor.resumable_ids)

    def _show(self, trial_id: str) -> None:
        for listener in self._listeners:
            listener(self.advisor.record(trial_id))


def _dropped(advisor: Advisor) -> dict[str, str]:
    """Returns, by event name, why the advisor has given up an assumption."""
    return {
        "prior_dropped": advisor.warm_start_contradiction,
        "pooling_dropped": advisor.pooling_contradiction,
    }
