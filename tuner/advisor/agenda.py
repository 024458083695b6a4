"""The agenda of work that is due in any case: reference rows, lost trials, and the probes under way.

Keeps count of attempts and probes. Decides nothing: what the search wants comes from elsewhere.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Self

from tuner.advisor.messages import PROBE_PREFIX, Ending, Probe
from tuner.core.config import TrialConfig
from tuner.core.study import StudySpec
from tuner.core.trial import Purpose, TrialRecord, TrialState

MAX_LOST_PROBES = 2
"""Probes that may be lost before no more are asked for."""

FIRST_PROBE_COST_S = 1.0
"""Seconds that a probed configuration is taken to cost before one was: about one (docs/stage.md)."""


class Task(NamedTuple):
    """A trial to be asked for."""

    purpose: Purpose
    config: TrialConfig
    seed: int

    @classmethod
    def of(cls, record: TrialRecord) -> Self:
        """Returns the task that a trial carries out."""
        return cls(record.purpose, record.config, record.seed)


class Checkpoint(NamedTuple):
    """The checkpoint of a lost trial: the epochs up to `epoch`, from which a repeat may continue."""

    trial_id: str
    epoch: int


class Agenda:
    """The agenda of one study.

    Args:
        study: Has the reference rows, and says how often a lost trial is asked for again.

    Attributes:
        probe_cost_s: Seconds that a probed configuration takes.
        probing_given_up: Why no more probes are asked for; empty while they may be.
    """

    def __init__(self, study: StudySpec) -> None:
        self._baseline = Task(Purpose.BASELINE, study.baseline, study.seed)
        self._due = deque([self._baseline])
        if study.guide is not None and study.guide != study.baseline:
            self._due.append(Task(Purpose.GUIDE, study.guide, study.seed))
        self._max_attempts = 1 + study.resources.retries
        self._num_attempts: dict[Task, int] = {}
        self._checkpoints: dict[Task, Checkpoint] = {}
        self._probing: dict[str, float] = {}
        self._num_probes = self._num_lost_probes = 0
        self.probe_cost_s = FIRST_PROBE_COST_S
        self.probing_given_up = ""

    @property
    def next(self) -> Task | None:
        """Returns the task that is due first; None if no task is due."""
        return self._due[0] if self._due else None

    @property
    def is_baseline_due(self) -> bool:
        """Whether the baseline is still to be asked for."""
        return any(task.purpose is Purpose.BASELINE for task in self._due)

    def checkpoint(self, task: Task) -> Checkpoint | None:
        """Returns the checkpoint from which a task continues; None if it begins anew."""
        return self._checkpoints.get(task)

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints from which the tasks that are due will continue."""
        return tuple(self._checkpoints.values())

    def asked(self, task: Task) -> None:
        """Takes a task that was asked for: it is due no more, and has had one more attempt."""
        self._checkpoints.pop(task, None)
        if task in self._due:
            self._due.remove(task)
        self._num_attempts[task] = self._num_attempts.get(task, 0) + 1

    def ended(self, record: TrialRecord, ending: Ending) -> bool:
        """Takes the end of a trial: one that was lost is due again, as often as the study allows.

        A discarded one always is, since its end counts against nothing. The repeat begins with the checkpoint
        that was left behind, unless that has an epoch in it which was never reported.

        Args:
            record: The trial.
            ending: The way in which it ended.

        Returns:
            Whether the trial is due again.
        """
        task, epoch = Task.of(record), ending.checkpoint_epoch
        self._num_attempts[task] -= ending.state is TrialState.DISCARDED
        if not ending.is_lost or self._num_attempts[task] >= self._max_attempts:
            return False
        self._due.appendleft(task)
        if 0 < epoch <= record.epoch:
            self._checkpoints[task] = Checkpoint(record.trial_id, epoch)
        return True

    def retry_baseline(self) -> None:
        """Makes the baseline due again, as if it had never been asked for."""
        self._num_attempts.pop(self._baseline, None)
        if self._baseline in self._due:  # it was discarded, since another trial had failed first
            self._due.remove(self._baseline)
        self._due.appendleft(self._baseline)

    @property
    def probing(self) -> tuple[str, ...]:
        """The ids of the probes under way."""
        return tuple(self._probing)

    @property
    def next_probe_id(self) -> str:
        """The id of the next probe."""
        return f"{PROBE_PREFIX}{self._num_probes + 1:03d}"

    def probe_asked(self, probe: Probe, elapsed_s: float) -> None:
        """Takes a probe that was asked for."""
        self._num_probes += 1
        self._probing[probe.trial_id] = elapsed_s

    def probe_done(self, trial_id: str, num_results: int, elapsed_s: float) -> bool:
        """Takes the end of a probe with results; False when no such probe is under way."""
        asked_s = self._probing.pop(trial_id, None)
        if asked_s is None:
            return False
        self.probe_cost_s = max(1e-3, (elapsed_s - asked_s) / max(1, num_results))
        return True

    def probe_lost(self, trial_id: str, ending: Ending) -> bool:
        """Takes the end of a probe without results; False when no such probe is under way.

        One that failed would fail again, so it was the last.
        """
        if self._probing.pop(trial_id, None) is None:
            return False
        self._num_lost_probes += ending.state is not TrialState.DISCARDED
        if not ending.is_lost or self._num_lost_probes >= MAX_LOST_PROBES:
            self.probing_given_up = self.probing_given_up or ending.reason
        return True
