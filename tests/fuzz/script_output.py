"""What a script prints or writes: unusable by one message with a fix, or reports that the entrance takes.

A report that stands alone on a line after the garbage is read all the same.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.fuzz.properties import PIECES, check_message, no_hang, scratch
from tests.studies import make_record
from trainables.command.options import CommandOptions
from trainables.command.output import STARTED, OutputWatch
from trainables.command.reader import OutputReader
from trainables.command.usage import Usage
from trainables.telemetry.failures import SkippedWorkError
from tuner.core.entrance import admit
from tuner.core.trial import TrialState
from tuner.errors import ReportError

_NUM_EPOCHS = 1_000_000
_LAST = 0.012345
"""NRMSE of the report after the garbage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Where a script's metrics are.

    Attributes:
        options: The stage's options.
        file: The file that the script writes; empty for its output.
        last: The report after the garbage; empty where garbage may hide what follows, as in a table.
    """

    options: Mapping[str, Any]
    file: str = ""
    last: bytes = b""


_COUNTED = {"epoch": ""}
_TOLD = json.dumps({"nrmse": _LAST}).encode()
CASES = (
    Case(options={"keys": _COUNTED}, last=_TOLD),
    Case(
        options={"keys": _COUNTED | {"nrmse": "a / max(b, 1e-9)", "time_s": "t"}},
        last=b'{"a": 0.012345, "b": 1, "t": 9e307}',
    ),
    Case(options={"keys": {"epoch": "epoch", "time_per_epoch": "s"}}),
    Case(options={"keys": _COUNTED, "per_epoch": False}, last=_TOLD),
    Case(
        options={"source": "regex", "pattern": r"val[=: ]+(?P<nrmse>\S+)", "keys": _COUNTED},
        last=b"val=0.012345",
    ),
    Case(options={"source": "file", "file": "{dir}/m.jsonl", "keys": _COUNTED}, file="m.jsonl", last=_TOLD),
    Case(options={"source": "file", "file": "{dir}/m.json"}, file="m.json"),
    Case(options={"source": "file", "file": "{dir}/m.csv"}, file="m.csv"),
    Case(options={"source": "tensorboard", "file": "{dir}"}, file="events.out.tfevents.1.host"),
    Case(options={"source": "wandb"}, file="offline-run-20261130_140644-a/run-a.wandb"),
)

_HERE = Path(__file__).parent.parent
_LINES = [
    '{"epoch": 1, "nrmse": 0.3, "loss": 1.5, "s": 2.5, "peak_memory_gib": 0.5}',
    "{'eval_loss': 0.3, 'nrmse': np.float64(0.2), 'loss': tensor(0.1), 'epoch': 2.0, 's': '1.5'}",
    'step 10/100 |####   | {"nrmse": null, "epoch": 3} ',
    '{"a": 0.3, "b": 2, "t": 1.5}',
    "Epoch 1: train=0.5 val=0.25 lr=1e-4",
    "\x1b[32mINFO\x1b[0m val: nan",
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB",
    '  File "train.py", line 3, in main',
    "epoch,nrmse,loss\n1,0.3,0.5\n2,0.2,",
]


def _record_files() -> list[bytes]:
    """Real files of W&B and of TensorBoard, the latter made of one scalar."""
    folder = _HERE / "trainables/command/wandb_runs"
    wandb = [path.read_bytes() for path in sorted(folder.rglob("*.wandb"))][:2]
    value = b"\x0a\x05nrmse\x15\x00\x00\x80\x3e"
    event = (
        b"\x09"
        + b"\0" * 8
        + b"\x10\x01\x2a"
        + bytes([len(value) + 2])
        + b"\x0a"
        + bytes([len(value)])
        + value
    )
    record = len(event).to_bytes(8, "little") + b"\0" * 4 + event + b"\0" * 4
    return [b"\x09" + data for data in wandb] + [b"\x08" + record * 2]


SEEDS = [
    *(bytes([k]) + "\n".join(_LINES).encode() for k in range(8)),
    *(bytes([k]) + line.encode() for k, line in enumerate(_LINES)),
    *_record_files(),
]
"""The first byte says which of `CASES` reads the rest."""

WORDS = [
    *(*PIECES, b'{"nrmse": ', b"'nrmse': ", b'"epoch": ', b"\r", b'\\"', b"\\", b"\\ud800", b"a" * 3000),
    *b"nan np.float64( tensor( array([ inf val= val: - ( lambda: not , None 1if".split(),
    *(b"\x80", b"\xff" * 8, b"\x0a", b"\x2a", b"\x1b]0;x\x07"),
]


def check(data: bytes) -> None:
    """Reads one script's output, or its file, to the end, and gives each report to the entrance."""
    case = CASES[data[0] % len(CASES)] if data else CASES[0]
    garbage = data[1:60_000]
    text = garbage + b"\n" + case.last + b"\n" if case.last else garbage
    with no_hang():
        watch, reports, error = _read(case, text)
    for number, metrics in enumerate(reports, start=1):
        _enter(metrics, number)
    if error is not None:
        _check_error(error)
    elif case.last and watch.last is not None:
        assert watch.last[0]["nrmse"] == _LAST, watch.last
    elif case.last:
        assert reports, "a valid report was not seen"
        assert reports[-1]["nrmse"] == _LAST, reports[-1]
    if error is None and not reports and watch.last is None:
        message, _, fix = watch.explain().partition(" Fix: ")
        check_message(message, fix)


def _read(case: Case, text: bytes) -> tuple[OutputWatch, list[dict[str, float]], Exception | None]:
    """Reads by the trial's own reader, from a real pipe or a real file."""
    folder = _folder()
    watch = OutputWatch(_options(case), _NUM_EPOCHS)
    if case.options.get("source", "json") not in ("json", "regex"):
        watch.follow(folder / case.file if case.options["source"] == "file" else folder)
    path = folder / (case.file or "unused")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if case.file else b"")
    begin, end = os.pipe()
    with os.fdopen(end, "wb") as pipe:
        pipe.write(b"" if case.file else text)
    reader = OutputReader(
        os.fdopen(begin, "rb"),
        folder / "output.log",
        watch.see,
        lambda: Usage(run_delay_s=0.0),
        lambda: True,
        watch.poll,
    )
    reports = []
    while (event := reader.next_event()).metrics is not None:
        if event.metrics is not STARTED:
            reports.append(event.metrics)
    reader.join()
    shutil.rmtree(path.parent) if path.parent != folder else path.unlink()
    return watch, reports, event.error


_folder = cache(scratch)


def _options(case: Case) -> CommandOptions:
    return CommandOptions(command=["python"], **case.options)


def _enter(metrics: Mapping[str, float], number: int) -> None:
    record = make_record(curve=(), state=TrialState.RUNNING, num_epochs=max(number, 1))
    report = {"status": "ok", "epoch": number, "time_s": 1.0, "epoch_time_s": 1.0} | metrics
    try:
        admit(report, record)
    except ReportError as error:
        check_message(error.message, error.hint)


def _check_error(error: Exception) -> None:
    """Memory and skipped work are answers; what else cannot be used is told with a fix."""
    if isinstance(error, MemoryError | SkippedWorkError):
        assert str(error).strip()
        return
    assert isinstance(error, ValueError), repr(error)
    message, _, fix = str(error).partition(" Fix: ")
    check_message(message, fix)
