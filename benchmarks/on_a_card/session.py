"""Runs checks one after another within a budget, and keeps what they found after each.

Knows time and outcomes. Does not know what the checks do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.on_a_card.checks import Check, time_for
from benchmarks.on_a_card.running import Outcome, run_check

FACTS = "facts"
"""The name of the check whose figures say what the machine is."""

HEADER = ("card", "driver", "cuda", "torch")
"""Its figures with which the summary begins."""


class Session:
    """The checks of one call, with what they have found so far.

    Args:
        checks: Checks in the order in which they run.
        folder: Folder for their output; made if it is missing.
        minutes: Minutes for all of them together.
        on_cpu: Whether to do without a card.
        is_asked_to_stop: Says whether to end now.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        folder: Path,
        *,
        minutes: float,
        on_cpu: bool,
        is_asked_to_stop: Callable[[], bool],
    ) -> None:
        self._checks, self._folder, self._on_cpu = checks, folder, on_cpu
        self._budget_s, self._began = 60.0 * minutes, time.monotonic()
        self._is_asked_to_stop = is_asked_to_stop
        self._outcomes: dict[str, Outcome] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        """Runs the checks. It stops early if asked to, or if there is no card and there has to be one."""
        for check in self._checks:
            self._outcomes[check.name] = outcome = self._run(check)
            (self._folder / "summary.json").write_text(json.dumps(self.summary()) + "\n")
            self._say(f"{check.name}: {outcome.outcome}{f' ({outcome.why})' if outcome.why else ''}")
            if self.lacks_card:
                return

    @property
    def lacks_card(self) -> bool:
        """Whether there has to be a card, and the facts say that there is none."""
        return not self._on_cpu and self.facts is not None and self.facts["card"] is None

    @property
    def facts(self) -> dict[str, Any] | None:
        """What the machine is; None until that is known."""
        found = self._outcomes.get(FACTS)
        return found.figures if found else None

    def summary(self) -> dict[str, Any]:
        """Returns the figures of the line of JSON; a check that did not run is ``skipped``."""
        facts = self.facts or {}
        left_out = Outcome(outcome="skipped", why="not reached")
        return {
            **{name: facts.get(name) for name in HEADER},
            "on_cpu": self._on_cpu,
            "minutes": round(self._elapsed_s() / 60.0, 2),
            "checks": {
                check.name: self._outcomes.get(check.name, left_out).as_dict() for check in self._checks
            },
        }

    def _run(self, check: Check) -> Outcome:
        limit_s = time_for(check, self._budget_s - self._elapsed_s())
        if self._is_asked_to_stop():
            return Outcome(outcome="skipped", why="interrupted before it")
        if check.needs_card and self._on_cpu:
            return Outcome(outcome="skipped", why="needs a card")
        if limit_s is None:
            return Outcome(outcome="skipped", why="no time left")
        self._say(f"{check.name}: at most {limit_s:.0f} s")
        return run_check(check, self._folder / f"{check.name}.log", limit_s, self._is_asked_to_stop)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _say(self, text: str) -> None:
        print(f"{self._elapsed_s():6.1f} s  {text}", flush=True)
