"""What a script logs to W&B: the history in its runs' files, step by step, while they are written.

Reads W&B's own files without W&B: as much of the protocol buffers as figures need. Does not know metrics.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainables.command.keys import has
from trainables.command.objects import MAX_NAMES
from trainables.command.sources.followed import Record
from trainables.command.sources.protobuf import fields_of
from trainables.command.sources.record_file import RecordFile
from trainables.command.sources.stamps import Stamps

_RESCAN_S = 1.0
_HISTORY, _SUMMARY = 2, 3  # fields of W&B's message Record; items are field 1 of each
_KEY, _NESTED_KEY, _VALUE_JSON = 1, 2, 16  # of an item
_BOOLEAN, _INTEGER, _NUMBER, _TEXT, _JSON = 4, 5, 6, 7, 8  # its value, where it is typed and not null
_TIME = "_timestamp"


class RunFolder:
    """The steps of the runs that begin below a folder, each with all that was logged for it.

    What the script itself wrote into a run's summary is one more report, at its end, if no step has the
    figures that are wanted. What W&B works out for its summary (the last value, or a minimum) is not read.

    Args:
        folder: Searched with its subfolders; need not exist yet. Runs that are there already do not count.
        wanted: Key of the figure that only one run may log; "" if none is needed.
    """

    def __init__(self, folder: Path, wanted: str) -> None:
        self._folder, self._wanted = folder, wanted
        self._before = set(self._found())
        self._files: dict[Path, RecordFile] = {}
        self._scanned_s = float("-inf")
        self._run_id = ""
        self._seen: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}
        self._stamps = Stamps()

    def poll(self, *, is_end: bool) -> Iterator[Record]:
        """See ``Source``."""
        self._stamps.poll()
        if is_end or time.monotonic() - self._scanned_s >= _RESCAN_S:
            new = sorted(set(self._found()) - self._before - set(self._files), key=_begin_of)
            self._files |= {path: RecordFile(path) for path in new}
            self._scanned_s = time.monotonic()
        for path, file in self._files.items():
            with suppress(FileNotFoundError):
                for record in file.new(is_end=is_end):
                    yield from self._reports(record, path)
        if is_end and self._wanted and not self._run_id:
            yield from self._from_summary()

    def why_nothing(self) -> str:
        """See ``Source``."""
        if self._seen or self._summary:
            return ""
        if self._files:
            return (
                f"the W&B run {next(iter(self._files)).parent} got no figure. "
                "Fix: have the script log them (run.log), and end its run (run.finish, or by ending itself)."
            )
        return (
            f"no W&B run began below {self._folder} (option file). Fix: see that the script calls wandb.init "
            "without a mode of its own, and name the folder that it gives to it (dir=...), if any, in file."
        )

    def _found(self) -> Iterator[Path]:
        """Yields the runs' files; ``latest-run`` is a link, and links to folders are not followed."""
        return (path for path in self._folder.rglob("run-*.wandb") if path.is_file())

    def _reports(self, record: bytes, path: Path) -> Iterator[Record]:
        field, values = figures_in(record)
        if field == _SUMMARY and _TIME not in values:
            self._summary |= {name: value for name, value in values.items() if not name.startswith("_")}
        elif field == _HISTORY:
            self._note(values)
            if self._has_wanted(values):
                self._require_one_run(path)
            logged_s = values.get(_TIME)
            yield values, self._stamps.age_s(logged_s) if isinstance(logged_s, float) else 0.0

    def _note(self, values: dict[str, Any]) -> None:
        """Keeps names for a message: one that says that the wanted ones are missing."""
        for name, value in values.items():
            if len(self._seen) < MAX_NAMES and not name.startswith("_"):
                self._seen.setdefault(name, value)

    def _has_wanted(self, values: dict[str, Any]) -> bool:
        return bool(self._wanted) and has(values, self._wanted)

    def _require_one_run(self, path: Path) -> None:
        """Raises ValueError for a second run with the wanted figures; a resumed one has the same id."""
        run_id = path.stem.removeprefix("run-")
        if self._run_id not in ("", run_id):
            raise ValueError(
                f"the W&B runs {self._run_id} and {run_id} both logged {self._wanted!r}. Fix: log it "
                "in one run (from rank 0 only), or give a run that goes on with another its id "
                "(wandb.init(id=...)), or let option file name a folder of the trial's own, below {dir}."
            )
        self._run_id = run_id

    def _from_summary(self) -> Iterator[Record]:
        if self._has_wanted(self._summary):
            yield self._summary, 0.0
        elif not self._has_wanted(everything := self._summary | self._seen) and everything:
            yield everything, 0.0  # no report, since figures of several steps are not joined: it tells names


def figures_in(record: bytes) -> tuple[int, dict[str, Any]]:
    """Returns whether a record is of history or summary, as the number of its field, and its figures.

    Both are empty for any other record. Figures in dicts are in dicts.

    Raises:
        ValueError: It is no record.
    """
    values: dict[str, Any] = {}
    try:
        for field, body in fields_of(record):
            if field in (_HISTORY, _SUMMARY) and isinstance(body, bytes):
                for number, item in fields_of(body):
                    if number == 1 and isinstance(item, bytes):
                        _put(values, *_figure(item))
                return field, values
    except (IndexError, struct.error) as error:
        message = "a run's file is none that W&B writes. Fix: correct option file."
        raise ValueError(message) from error
    return 0, values


def _begin_of(path: Path) -> str:
    """Returns what sorts files by the beginning of their runs: the name of the folder."""
    return path.parent.name.removeprefix("offline-")


def _figure(item: bytes) -> tuple[list[str], Any]:
    """Returns the name of a figure, as a path into nested dicts, and its value."""
    path, value = [], None
    for field, found in fields_of(item):
        if field in (_KEY, _NESTED_KEY) and isinstance(found, bytes):
            path.append(found.decode(errors="replace"))
        elif field in (_VALUE_JSON, _JSON) and isinstance(found, bytes):
            value = _value_of(found.decode(errors="replace"))
        elif field == _TEXT and isinstance(found, bytes):
            value = found.decode(errors="replace")
        elif field == _INTEGER and isinstance(found, int):
            value = (found >> 1) ^ -(found & 1)  # zigzag
        elif field in (_NUMBER, _BOOLEAN):
            value = bool(found) if field == _BOOLEAN else found
    return path, value


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner = values.get(name)
        if not isinstance(inner, dict):
            inner = values[name] = {}
        values = inner
    if path:
        values[path[-1]] = value
