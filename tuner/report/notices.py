"""What a person must hear while a run goes on: each line once, as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable

from tuner.report.start import start_caution
from tuner.report.text import probing_line
from tuner.runs.progress import Progress


class Notices:
    """Says that the untrained start meets the target, and that probing was given up.

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

    def _once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)
