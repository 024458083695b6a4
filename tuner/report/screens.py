"""The screens on which a run shows itself: a live view on a terminal, plain lines elsewhere, or none.

Knows when something is shown; how it looks is the business of `live` and `progress`. Nothing here prints but
by the function it is given, or by rich's own console.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from tuner.core.trial import TrialRecord, TrialState
from tuner.report.live import LiveView
from tuner.report.progress import plain_line
from tuner.report.text import trial_line
from tuner.runs.progress import Progress

HEARTBEAT_S = 30.0
"""A pipe gets a line at least this often while reports come in."""


class Screen(Protocol):
    """The contract of a screen, on which a run shows itself."""

    def say(self, line: str) -> None:
        """Takes a line that stays."""

    def show(self, progress: Progress, changed: TrialRecord) -> None:
        """Takes the state of the run after `changed` changed."""


@contextmanager
def open_screen(
    title: str,
    say: Callable[[str], None],
    *,
    prefix: str = "",
    is_quiet: bool = False,
    on_stderr: bool = False,
) -> Iterator[Screen]:
    """Opens what fits the stream.

    Args:
        title: Title of the live view.
        say: Prints a plain line on the stream.
        prefix: Before each line that stays.
        is_quiet: Whether nothing is shown at all.
        on_stderr: The stream is standard error, not standard output.
    """
    stream = sys.stderr if on_stderr else sys.stdout
    if is_quiet:
        yield SilentScreen()
    elif not stream.isatty():
        yield PlainScreen(say, prefix)
    else:
        console = Console(stderr=on_stderr)
        screen = LiveScreen(title, console, prefix)
        with Live(get_renderable=screen.render, console=console, refresh_per_second=2, transient=True):
            yield screen


class SilentScreen:
    """A screen that shows nothing."""

    def say(self, line: str) -> None:
        """Ignores the line; see `Screen`."""

    def show(self, progress: Progress, changed: TrialRecord) -> None:
        """Ignores the state; see `Screen`."""


class PlainScreen:
    """Prints a line when a trial starts to run or ends, and a heartbeat in between."""

    def __init__(self, say: Callable[[str], None], prefix: str = "") -> None:
        self._say, self._prefix = say, prefix
        self._last = time.monotonic()

    def say(self, line: str) -> None:
        """Prints a line; see `Screen`."""
        self._say(f"{self._prefix}{line}")

    def show(self, progress: Progress, changed: TrialRecord) -> None:
        """Prints a line if it is time for one; see `Screen`."""
        now = time.monotonic()
        if changed.state is not TrialState.RUNNING or now - self._last >= HEARTBEAT_S:
            self._last = now
            self.say(f"{trial_line(changed, progress.goal.metric)} | {plain_line(progress)}")


class LiveScreen:
    """A view that follows the newest progress; its clocks run on between events."""

    def __init__(self, title: str, console: Console, prefix: str = "") -> None:
        self._title, self._console, self._prefix = title, console, prefix
        self._progress: Progress | None = None
        self._shown_at = 0.0
        self._told_s: dict[str, float] = {}

    def say(self, line: str) -> None:
        """Prints a line above the live view; see `Screen`."""
        self._console.print(Text(f"{self._prefix}{line}"))

    def show(self, progress: Progress, changed: TrialRecord) -> None:
        """Takes the state that the view shows; see `Screen`."""
        self._told_s[changed.trial_id] = progress.elapsed_s
        told_s = {r.trial_id: self._told_s.get(r.trial_id, progress.elapsed_s) for r in progress.running}
        self._progress, self._shown_at = replace(progress, told_s=told_s), time.monotonic()

    def render(self) -> RenderableType:
        """Returns what the terminal shows now."""
        if self._progress is None:
            return ""
        return LiveView(self._progress.later(time.monotonic() - self._shown_at), self._title)
