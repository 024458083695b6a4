"""What a person must hear while a run goes on: each line once, as soon as it is known."""

from __future__ import annotations

import math
from collections.abc import Callable

from tuner.report.start import start_caution
from tuner.report.text import probing_line
from tuner.runs.progress import Progress


def silence_line(trial_id: str, silent_s: float, limit_s: float | None) -> str:
    """Returns the first word about a trial or probe of which nothing is heard; see `Notices.silent`."""
    if limit_s is None:
        return f"trial {trial_id} has waited for a worker for {silent_s:.0f} s"
    until = "at the end of the budget" if math.isinf(limit_s) else f"after {limit_s:.0f} s"
    return f"trial {trial_id} has not reported for {silent_s:.0f} s; it is given up {until}"


def call_line(what: str, waited_s: float) -> str:
    """Returns the first word about a method of the stage that does not end, such as `prepare`."""
    return f"{what} has not ended for {waited_s:.0f} s; the run waits for it until the budget is spent"


class Notices:
    """Says that the untrained start meets the target, that probing was given up, and that a trial is silent.

    Args:
        say: Takes a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[str] = set()

    def look(self, progress: Progress, probing_given_up: str) -> None:
        """Looks at the state of the run after something has changed.

        Args:
            progress: The state.
            probing_given_up: Why no more probes are asked for; empty while they are.
        """
        if caution := start_caution(progress.start):
            self._once(f"*** {caution} ***")
        if probing_given_up:
            self._once(probing_line(probing_given_up))

    def silent(self, trial_id: str, silent_s: float, limit_s: float | None) -> None:
        """Says that nothing was heard of a trial or a probe for long; whoever calls does so once a silence.

        Args:
            trial_id: Its id.
            silent_s: Seconds of silence so far.
            limit_s: Seconds of silence after which it fails; infinite if it may be silent until the budget's
                end, None if it still waits for a worker.
        """
        self._say(silence_line(trial_id, silent_s, limit_s))

    def _once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)
