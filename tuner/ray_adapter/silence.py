"""Keeps for how long trials have been silent, how long they may be, and when that is worth a word.

Silence is counted in turns of Tune's loop, each for a second at most. While the driver is suspended or busy
it hears nobody, and no trial is to blame. Knows neither Ray nor the advisor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long silence may last, in seconds.

    Attributes:
        word_s: Silence that is worth a first word.
        least_s: A trial that has reported may always be silent so long.
        least_start_s: One that has not may always be silent so long: it starts a process, loads and compiles.
        factor: A trial may be silent for this many times what was to be expected.
        after_budget_s: A trial may always be silent so long after the budget's end.
        after_budget_factor: Or this many times the longest silence between two reports so far.
        turn_s: A turn counts for so much at most.
    """

    word_s: float = 60.0
    least_s: float = 120.0
    least_start_s: float = 300.0
    factor: float = 5.0
    after_budget_s: float = 10.0
    after_budget_factor: float = 1.5
    turn_s: float = 1.0


PATIENCE = Patience()


class CountedTime:
    """Seconds that pass in turns; one that takes longer than it may counts for no more than that.

    Args:
        turn_s: The most that a turn counts.
        clock: Gives monotonic seconds.
    """

    def __init__(self, turn_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._turn_s, self._clock = turn_s, clock
        self._last_s = clock()
        self.now_s = 0.0

    def turn(self) -> None:
        """Takes the end of a turn."""
        now_s = self._clock()
        self.now_s += min(now_s - self._last_s, self._turn_s)
        self._last_s = now_s


@dataclass(slots=True)
class _Heard:
    """What is known of a trial under way.

    Attributes:
        at_s: Counted seconds at which it was heard last, or began.
        expected_s: Seconds that it should train between two reports, as far as is known.
        timeout_s: Silence after which the study wants it to fail; None if it does not say.
        has_worker: Whether its worker is there; else it waits for one.
        has_reported: Whether it has reported anything.
        is_told: Whether this silence has had its word.
    """

    at_s: float
    expected_s: float
    timeout_s: float | None
    has_worker: bool = False
    has_reported: bool = False
    is_told: bool = False


class Silence:
    """The silence of all trials under way.

    Until a whole trial was seen there is no limit but the study's own, since nobody knows what a trial does
    at its end. From then on it is several times the longest silence seen and the training that is expected.

    Args:
        patience: How long silence may last.
        clock: Gives monotonic seconds.
    """

    def __init__(self, patience: Patience = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._time = CountedTime(patience.turn_s, clock)
        self._trials: dict[str, _Heard] = {}
        self._longest_s = 0.0
        self._has_seen_whole = False

    def recall(self, longest_s: float) -> None:
        """Takes over that whole trials were seen by an earlier process of the run.

        Args:
            longest_s: Seconds that passed between two reports of theirs, or before the first, at most.
        """
        self._has_seen_whole, self._longest_s = True, longest_s

    def turn(self) -> None:
        """Takes the end of a turn of Tune's loop."""
        self._time.turn()

    def begun(self, ray_id: str, *, expected_s: float = 0.0, timeout_s: float | None = None) -> None:
        """Takes the begin of a trial.

        Args:
            ray_id: Its id.
            expected_s: Seconds that it should train between two reports; 0 if nobody knows.
            timeout_s: Seconds of silence after which the study wants it to fail; None if it does not say.
        """
        self._trials[ray_id] = _Heard(self._time.now_s, expected_s, timeout_s)

    def placed(self, ray_id: str) -> None:
        """Takes that a trial has a worker. From now on it is the trial that is silent."""
        trial = self._trials.get(ray_id)
        if trial is not None and not trial.has_worker:
            trial.has_worker, trial.at_s, trial.is_told = True, self._time.now_s, False

    def heard(self, ray_id: str) -> None:
        """Takes a report of a trial."""
        trial = self._trials.get(ray_id)
        if trial is not None:
            self._longest_s = max(self._longest_s, self.silent_s(ray_id))
            trial.at_s, trial.is_told, trial.has_reported = self._time.now_s, False, True

    def ended(self, ray_id: str, *, is_whole: bool = False) -> None:
        """Takes the end of a trial; `is_whole` says that it ran every epoch."""
        self._trials.pop(ray_id, None)
        self._has_seen_whole = self._has_seen_whole or is_whole

    def silent_s(self, ray_id: str) -> float:
        """Returns for how long a trial has been silent."""
        trial = self._trials.get(ray_id)
        return 0.0 if trial is None else self._time.now_s - trial.at_s

    def limit_s(self, ray_id: str) -> float:
        """Returns how long a trial may be silent; infinite while nothing says."""
        trial, patience = self._trials[ray_id], self._patience
        if trial.timeout_s is not None:
            return trial.timeout_s
        if not self._has_seen_whole:
            return math.inf
        least_s = patience.least_s if trial.has_reported else patience.least_start_s
        return max(least_s, patience.factor * (self._longest_s + trial.expected_s))

    def why_given_up(self, ray_id: str, *, is_budget_spent: bool) -> str:
        """Returns why a trial is to be given up; empty while it is not.

        One that has no worker yet is given up at the budget's end only.
        """
        trial = self._trials.get(ray_id)
        if trial is None:
            return ""
        silent_s, limit_s = self.silent_s(ray_id), self.limit_s(ray_id)
        if trial.has_worker and silent_s > limit_s:
            is_given = trial.timeout_s is not None
            by_whom = "stage.timeout_s" if is_given else "the limit that this run has learnt"
            return f"no report for {silent_s:.0f} s, where {limit_s:.0f} s are allowed by {by_whom}"
        patience = self._patience
        allowed_s = max(patience.after_budget_s, patience.after_budget_factor * self._longest_s)
        if is_budget_spent and silent_s >= allowed_s:
            return f"given up: no report for {silent_s:.0f} s, and the budget is spent"
        return ""

    def worth_a_word(self, ray_id: str) -> bool:
        """Whether a trial is silent for a minute, and for longer than is usual; True once in a silence."""
        trial = self._trials.get(ray_id)
        unusual_s = max(self._patience.word_s, self._patience.after_budget_factor * self._longest_s)
        if trial is None or trial.is_told or self.silent_s(ray_id) < unusual_s:
            return False
        trial.is_told = True
        return True
