"""Ends trials that nobody waits for.

Those are silent ones when the budget is spent, since a hanging trial would keep the run for ever, and those
of a stage that does not work.

Tune calls its callbacks at every turn of its loop, ten times a second, whether or not anything happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial

MIN_PATIENCE_S = 10.0
"""Seconds of silence that a trial is always allowed after the budget's end."""

PATIENCE = 1.5
"""A trial may be silent for this many times the longest time that any trial took between two reports."""


class Silence:
    """Keeps for how long trials have been silent, and for how long they may be.

    Args:
        budget_s: Seconds of the study's budget.
        clock: Gives the seconds of it that have passed.
    """

    def __init__(self, budget_s: float, clock: Callable[[], float]) -> None:
        self._budget_s = budget_s
        self._clock = clock
        self._heard_s: dict[str, float] = {}
        self._longest_s = 0.0

    def begun(self, ray_id: str) -> None:
        """A trial was started."""
        self._heard_s[ray_id] = self._clock()

    def heard(self, ray_id: str) -> None:
        """Notes that a trial reported."""
        now_s = self._clock()
        self._longest_s = max(self._longest_s, now_s - self._heard_s.get(ray_id, now_s))
        self._heard_s[ray_id] = now_s

    def why_given_up(self, ray_id: str) -> str:
        """Returns why a trial is to be given up; empty while it is not."""
        now_s = self._clock()
        silent_s = now_s - self._heard_s.get(ray_id, now_s)
        if now_s < self._budget_s or silent_s < max(MIN_PATIENCE_S, PATIENCE * self._longest_s):
            return ""
        return f"given up: no report for {silent_s:.0f} s, and the budget is spent"


class OverdueCallback(Callback):  # type: ignore[misc]  # ray ships no types
    """Kills the worker of a trial that is to be given up; its script ends with it.

    Args:
        is_given_up: Whether the trial with that id of Tune's is to be given up; asked at every turn, and no
            more once it is.
        end_tune: Makes Tune come to rest; it then kills what does not end in 5 seconds.
    """

    def __init__(self, is_given_up: Callable[[str], bool], end_tune: Callable[[], None]) -> None:
        self._is_given_up, self._end_tune = is_given_up, end_tune
        self._given_up: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune pickles its callbacks into its snapshots; nothing is ever restored from these."""
        return (Callback, ())

    def on_step_begin(self, iteration: int, trials: Iterable[Trial], **info: Any) -> None:
        """Called at every turn of Tune's loop."""
        for trial in trials:
            if trial.is_finished() or trial.trial_id in self._given_up:
                continue
            if self._is_given_up(trial.trial_id):
                self._given_up.add(trial.trial_id)
                self._end(trial)

    def _end(self, trial: Trial) -> None:
        """Kills a trial's worker. Of one that still starts Tune has no handle to give, so Tune ends itself.

        Nothing is lost by that: the budget is spent or the stage does not work, and what other workers do is
        run again by `--resume`.
        """
        actor = trial.temporary_state.ray_actor
        if trial.status == Trial.RUNNING and actor is not None:
            ray.kill(actor)
        else:
            self._end_tune()
