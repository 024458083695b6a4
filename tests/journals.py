"""Journals of runs, changed for tests: what the run would have written had that been so."""

import json
import platform
import shutil
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from trainables.telemetry.device import describe
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


def copy_as_if_of_here(run: Path, folder: Path) -> Path:
    """A copy of a run as if it had run on this machine, but with other libraries and another tuner.

    Its journal is of an earlier format, whose lines are not sealed.
    """
    copy = Path(shutil.copytree(run, folder / run.name))
    first, *rest = (copy / "journal.jsonl").read_text().splitlines(keepends=True)
    start = json.loads(first)
    provenance = start["provenance"]
    del provenance["stage_source"]  # of files that are no longer what they were
    provenance["device"] |= describe("cpu")
    own = {"python": platform.python_version(), "torch": metadata.version("torch")}
    provenance["versions"] |= own | {"numpy": "1.0.0", "distill-tuner": "0.0.1"}
    (copy / "journal.jsonl").write_text("".join([json.dumps(start) + "\n", *rest]))
    return copy
