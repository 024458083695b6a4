"""Follows a run by its journal and shows the sinks what is new, until nobody writes to the journal any more.

What a sink holds in the end depends on the journal alone, not on when it was read: every trial is shown as it
was asked, in the order of asking, and as it ended, in the order of the ends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tuner.core.trial import TrialRecord
from tuner.runs.basis import start_of
from tuner.runs.facts import Facts
from tuner.runs.journal import Tail, is_held, journal_of
from tuner.runs.lines import Event
from tuner.runs.past_run import PastRun, located, read_past_run
from tuner.sinks.guarded import Sinks

PACE_S, END_PACE_S = 0.5, 0.05
"""Seconds between two reads of the journal, while the run goes on and once it has ended. The first is longer:
at the end of an epoch the machine has something better to do, it decides how the trial continues."""


def follow(past: PastRun, sinks: Sinks, is_left: Callable[[], bool] | None = None) -> None:
    """Shows all of a run to its sinks, and its result once it has come to an end or was killed.

    Args:
        past: The run as it is now; it may go on.
        sinks: Not yet started.
        is_left: Whether the process whose run it is has gone, so that nothing more will come; None where
            nobody knows that process.

    Raises:
        RecordsError: The journal is broken.
        SpecError: The study is.
    """
    sinks.start(past.study, past.provenance, past.folder)
    path = journal_of(past.folder)
    journal = Tail(path)
    first, *events = journal.read()
    facts, is_over = Facts(start=start_of([first])), False
    while not is_over:
        is_over = _is_over(
            path, is_left, has_ended=facts.end is not None
        )  # what was written before is read yet
        with located(path):
            sinks.show(_changes(facts, [*events, *journal.read()]))
        events = []
        if not is_over:
            time.sleep(PACE_S if facts.end is None else END_PACE_S)
    ended = read_past_run(past.folder)
    sinks.finish(replace(ended, failure=failure_of(ended)).result)


def _is_over(path: Path, is_left: Callable[[], bool] | None, *, has_ended: bool) -> bool:
    """Whether nobody writes to the journal any more.

    Without locks, the process that a run started waits for the run's end; any other writes what there is.
    """
    if is_left is not None and is_left():
        return True
    is_running = is_held(path)
    if is_running is None:
        return has_ended or is_left is None
    return not is_running


def _changes(facts: Facts, events: Sequence[Event]) -> list[TrialRecord]:
    """Yields, per trial, how it was asked, if that is new, and its newest record, by the last change."""
    changes: dict[tuple[str, bool], TrialRecord] = {}
    for event in events:
        if record := facts.take(event):
            key = (record.trial_id, event["event"] == "ask")
            changes.pop(key, None)
            changes[key] = record
    return list(changes.values())


def failure_of(past: PastRun) -> str:
    """The error that ended a run, from the result that it left; empty when that is none of its last end's."""
    result = past.folder / "result.json"
    try:
        if past.end is not None or result.stat().st_mtime_ns < journal_of(past.folder).stat().st_mtime_ns:
            return ""
        return str(json.loads(result.read_text(encoding="utf-8")).get("failure", ""))
    except (OSError, ValueError, AttributeError):
        return ""
