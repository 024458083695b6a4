"""What was seen of a fault, in words and in figures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from benchmarks.faults_alone.watched import LIMIT_S, POLL_S, Program, first_word_of_trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an operator sees of a fault.

    Attributes:
        code: The program's exit code, negative for a signal; None: it was still waiting at the limit.
        ended_s: Seconds from the fault to the program's end, or to the limit.
        noticed_s: Seconds from the fault to the first line that speaks of trouble; None: there is none.
        said: That line, or what else there is to say.
        finished: Trials that had come to their end.
        returned: How many of those are in what Tune returned, or None if it returned nothing.
        errors: Trials that Tune returned with an error.
        again: Steps that were run a second time, of a program that went on.
        more: Anything else that was seen, by name.
    """

    code: int | None
    ended_s: float
    noticed_s: float | None = None
    said: str = ""
    finished: int = 0
    returned: int | None = None
    errors: int = 0
    again: int = 0
    more: dict[str, Any] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it was still waiting at the limit."""
        return self.code is None

    @property
    def is_lost(self) -> bool:
        """Whether finished trials are not in what the caller has in the end."""
        return self.finished > (self.returned or 0)

    def also(self, **more: Any) -> Seen:
        """Returns it with more that was seen."""
        return replace(self, more=(self.more or {}) | more)

    def __str__(self) -> str:
        ended = f"still waiting after {self.ended_s:.0f} s" if self.is_waiting else (
            f"exit {self.code} after {self.ended_s:.1f} s")  # fmt: skip
        noticed = "nothing said" if self.noticed_s is None else f"said after {self.noticed_s:.1f} s"
        kept = "nothing returned" if self.returned is None else f"{self.returned} returned"
        counts = f"{self.finished} finished, {kept}, {self.errors} errors, {self.again} steps again"
        more = "".join(f"; {name}: {value}" for name, value in (self.more or {}).items())
        return f"{ended}; {noticed}; {counts}{more}; {self.said[:240]!r}"


def watch(program: Program, limit_s: float = LIMIT_S, *, from_start: bool = False) -> Seen:
    """Watches a program, into which a fault was just put, to its end or the limit.

    Args:
        program: It has been started.
        limit_s: Seconds that it may take.
        from_start: Count seconds, and read what is printed, from the program's start.
    """
    begun = program.began_s if from_start else time.monotonic()
    before = 0 if from_start else len(program.said)
    noticed_s, said = None, ""
    while True:
        code, elapsed_s = program.code, time.monotonic() - begun
        if not said and (said := first_word_of_trouble(program.said[before:])):
            noticed_s = elapsed_s
        if code is not None or elapsed_s > limit_s:
            break
        time.sleep(POLL_S)
    finished, results = program.finished, program.results
    by_trial = {one["trial"]: one for one in results or []}
    return Seen(
        code=code,
        ended_s=elapsed_s,
        noticed_s=noticed_s,
        said=said or _last_line(program.said),
        finished=len(finished),
        returned=None if results is None else len(finished & by_trial.keys()),
        errors=sum(one["error"] is not None for one in results or []),
        again=steps_again(program),
    )


def steps_again(program: Program) -> int:
    """How many steps of a trial were run more than once."""
    steps = [(note["trial"], note["at"]) for note in program.notes if note["what"] == "step"]
    return len(steps) - len(set(steps))


def headline(all_seen: Sequence[Seen]) -> dict[str, Any]:
    """Returns the headline figures."""
    return {
        "faults": len(all_seen),
        "waiting": sum(seen.is_waiting for seen in all_seen),
        "silent": sum(seen.noticed_s is None for seen in all_seen),
        "exit_0": sum(seen.code == 0 for seen in all_seen),
        "lost_results": sum(seen.is_lost for seen in all_seen),
        "steps_again": sum(seen.again for seen in all_seen),
        "ray": version("ray"),
        "optuna": version("optuna"),
    }


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
