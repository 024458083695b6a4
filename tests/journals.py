"""Journals of runs, changed for tests: what the run would have written had that been so."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tuner.runs.journal import read_journal
from tuner.runs.lines import Event, sealed


def write_journal(path: Path, events: Iterable[Event]) -> None:
    """Writes events as a journal, whole and in order, over any that is there."""
    path.write_bytes(b"".join(sealed(event, number) for number, event in enumerate(events, start=1)))


def edit_start(folder: Path, change: Callable[[Event], Event]) -> None:
    """Exchanges the first event of a run's journal for what `change` makes of it."""
    path = folder / "journal.jsonl"
    start, *rest = read_journal(path)
    write_journal(path, [change(start), *rest])
