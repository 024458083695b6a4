"""A run's folder after its journal was spoilt: one message with a fix, or every fact that its lines hold.

Whatever can be read can be shown by `status`, reported and gone on with.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.fuzz.properties import PIECES, check_message, no_hang, scratch
from tuner.commands.status import RunStatus
from tuner.core.measurement import Measurement, Status
from tuner.errors import TunerError
from tuner.report.files import result_dict, summary
from tuner.runs.journal import Journal
from tuner.runs.past_run import PastRun, read_past_run
from tuner.runs.progress import Progress
from tuner.runs.restore import advisor_of

_RUNS = Path(__file__).parent.parent / "runs/format_1"


def _lines(name: str) -> list[bytes]:
    return (_RUNS / name / "journal.jsonl").read_bytes().splitlines(keepends=True)


SEEDS = [
    b"".join(_lines("killed")[:14]),
    b"".join([*_lines("ended")[:9], _lines("ended")[-1]]),
]

WORDS = [
    *(*PIECES, b"\\ud800", b"\\u001b[31m", b"[" * 2000, b'{"a":' * 300, b"x" * 3000, b"[[]]", b'"0001"'),
    *b'"event" "ask" "observe" "tell" "stop" "probed" "retry" "certify" "end" "start" "run" "probe"'.split(),
    *b'"trial_id" "measurement" "answer" "config" "elapsed_s" "status" "kind" "format":99'.split(),
    *(b'{"event":"tell","elapsed_s":1}\n', b'{"event":"ask"}\n', b'{"elapsed_s":1}\n', b"{}\n", b"[]\n"),
]


def check(data: bytes) -> None:
    """Reads a run of that journal, says how it stands, reports it and sets up its advisor."""
    with no_hang():
        try:
            past = read_past_run(_written(data))
            _tell(past)
        except TunerError as error:
            check_message(error.message, error.hint)
        else:
            _check_nothing_is_lost(past)


def _written(data: bytes) -> Path:
    """A run's folder with that journal; lines that are events are written as a run writes them."""
    folder = _folder()
    path = folder / "journal.jsonl"
    path.unlink(missing_ok=True)
    journal = Journal(path)
    *whole, torn = data.split(b"\n")
    for line in whole:
        event = _event(line)
        if event is None:
            with path.open("ab") as file:
                file.write(line + b"\n")
        else:
            journal.append(event.pop("event"), elapsed_s=event.pop("elapsed_s"), **event)
    journal.close()
    with path.open("ab") as file:
        file.write(torn)
    return folder


def _event(line: bytes) -> dict[str, Any] | None:
    """A line as the event that a run could have written; None for any other text."""
    try:
        event = json.loads(line)
        json.dumps(event, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and {"event", "elapsed_s"} <= event.keys() else None


@cache
def _folder() -> Path:
    folder = scratch()
    shutil.copy(_RUNS / "ended/study.yaml", folder)
    return folder


def _tell(past: PastRun) -> None:
    """Everything that reads a run: `status`, `report` and `--resume`."""
    progress = Progress.of_past(past, past.elapsed_s)
    status = RunStatus.of(past, progress, is_running=False, silent_s=0.0)
    assert status.text()
    json.dumps(status.as_dict())
    json.dumps(result_dict(past.result))
    assert summary(past.result)
    advisor_of(past.study, past.facts)


def _check_nothing_is_lost(past: PastRun) -> None:
    """What each line says is among the facts."""
    answers = [event["answer"] for event in past.events if event["event"] == "ask"]
    asked = [answer["trial_id"] for answer in answers if answer["kind"] == "run"]
    assert [record.trial_id for record in past.records] == list(dict.fromkeys(asked))
    for trial_id in asked:
        measured = past.facts.records[trial_id].measurements
        assert [m.epoch for m in measured] == _epochs(past.events, trial_id)


def _epochs(events: Sequence[Any], trial_id: str) -> list[int]:
    """The epochs that a trial reported, each once and in order, until it ended or did not go well."""
    epochs: list[int] = []
    for event in events:
        if event.get("trial_id") != trial_id or event["event"] not in ("observe", "tell"):
            continue
        if event["event"] == "tell":
            break
        report = Measurement.from_dict(event["measurement"])
        if report.status is not Status.OK or report.epoch > max(epochs, default=0):
            epochs.append(report.epoch)
        if report.status is not Status.OK:
            break
    return epochs
