"""Reads the NRMSE that a second command computes after the script: the option ``evaluate``.

Knows the command's output and its metrics file. Does not know how a process is started.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from foundation.memory_words import proves_out_of_memory
from foundation.one_line import one_line
from trainables.command import verdict
from trainables.command.keys import advice, example, find, name_of, told
from trainables.command.metrics import Metrics, to_metrics
from trainables.command.objects import MAX_QUOTE, MISSING, MissingKeyError, names, objects_in
from trainables.command.options import CommandOptions
from trainables.command.place import TrialPlace
from trainables.command.process import Script
from trainables.command.sources.followed import Stamp, stamp
from trainables.command.words import EPOCH
from trainables.telemetry.failures import MissingMetricError, ScriptError

LOG = "evaluate.log"
"""Name of the file in a trial's folder that has the command's output; with the epoch's number, if any."""
LOG_OF_START = "evaluate_start.log"
"""Name of the one with the output of the command that evaluates the untrained start."""
WHAT = "the evaluation"

MAX_TEXT = 4 * 1024 * 1024
"""Most characters of the output, from its end, that are looked at."""
MAX_TRIES = 1_000
"""Most lines of the output at which an object may begin that are looked at."""

_BEGIN = re.compile(r"^[ \t]*\{", re.MULTILINE)
_DECODER = json.JSONDecoder()


def nrmse_after(
    place: TrialPlace, options: CommandOptions, epoch: int, began: Callable[[Script], None]
) -> tuple[list[str], float]:
    """Runs the command of option ``evaluate``; returns it as it was run, and the NRMSE that it says.

    Args:
        place: Where it runs.
        options: The stage's options.
        epoch: The epoch that it evaluates: the value of ``{epoch}``.
        began: Called with the command when it has been started.

    Raises:
        MemoryError: It ran out of memory.
        ScriptError: It failed, or gives no usable NRMSE.
    """
    log = f"evaluate-{epoch}.log" if options.is_evaluated_by_epoch else LOG
    return _ran(place, options, options.evaluate, epoch, log, began)


def nrmse_of_start(
    place: TrialPlace, options: CommandOptions, began: Callable[[Script], None]
) -> tuple[list[str], float]:
    """Runs the command of option ``evaluate_start``, whose epoch is 0; see ``nrmse_after``.

    Removes its metrics file, which must not pass for a later one.
    """
    found = _ran(place, options, options.evaluate_start, 0, LOG_OF_START, began)
    if file := _file_of(place, options, 0):
        file.unlink(missing_ok=True)
    return found


def _ran(
    place: TrialPlace,
    options: CommandOptions,
    template: list[str],
    epoch: int,
    log: str,
    began: Callable[[Script], None],
) -> tuple[list[str], float]:
    command = place.filled(template, **{EPOCH: epoch})
    file = _file_of(place, options, epoch)
    before = stamp(file) if file else None
    script = place.start(command, log, notice)
    began(script)
    return command, _nrmse_of(script, options, place.folder / log, file, before)


def _file_of(place: TrialPlace, options: CommandOptions, epoch: int) -> Path | None:
    return place.path(options.evaluate_file, **{EPOCH: epoch}) if options.evaluate_file else None


def _nrmse_of(
    script: Script, options: CommandOptions, log: Path, file: Path | None, before: Stamp | None
) -> float:
    """Waits for the command to end, and returns the NRMSE that it computed.

    Args:
        script: The command, started; its output goes to ``log``.
        options: The stage's options; ``keys.nrmse`` names the NRMSE, or is an expression over what it says.
        log: File that has all of its output.
        file: Its metrics file; None if it prints them.
        before: The stamp of that file when the command began.

    Raises:
        MemoryError: It ran out of memory.
        MissingMetricError: What it says has other names.
        ScriptError: It failed, or gives no usable NRMSE.
    """
    where = f"its output: {log}" if options.logs else "option logs keeps all of its output"
    event = script.next_event()
    num_oom_kills = script.num_oom_kills()
    error = verdict.failure(script.end(), script.tail, num_oom_kills, where, what=WHAT)
    if error is None and event.error is not None:
        error = verdict.unusable(event.error, where, what=WHAT)
    if error is not None:
        raise error
    try:
        if file and before and stamp(file) == before:
            fix = "have the command write it there, or leave evaluate_file out to read what it prints"
            raise ValueError(f"the metrics file {file} is older than the evaluation. Fix: {fix}.")
        return _read(options, file, log)
    except ValueError as mistake:
        kind = MissingMetricError if isinstance(mistake, MissingKeyError) else ScriptError
        raise kind(
            f"{WHAT}'s output cannot be used: {mistake} ({where})\n{verdict.last_lines(script.tail)}"
        ) from mistake


def notice(line: str, at_s: float) -> Iterable[Metrics]:
    """Selects no line of the command's output; raises MemoryError for one that says that memory ran out."""
    if proves_out_of_memory(line):
        raise MemoryError(f"{WHAT} ran out of memory, as it says: {one_line(line, MAX_QUOTE)}")
    return ()


def _read(options: CommandOptions, file: Path | None, log: Path) -> float:
    name = name_of("nrmse", options.keys)
    source = "it printed" if file is None else f"its metrics file {file} (option evaluate_file) has"
    try:
        text = (file or log).read_text(encoding="utf-8", errors="replace")[-MAX_TEXT:]
    except OSError as error:
        fix = "have the command write it there, or leave evaluate_file out to read what it prints"
        raise ValueError(f"the metrics file {file} cannot be read ({error.strerror}). Fix: {fix}.") from None
    seen: dict[Any, Any] = {}
    found: dict[Any, Any] | None = None
    for values in _documents_in(text):
        seen = values
        found = values if find(values, name) is not MISSING else found
    if found is None:
        last = f"; the last object has {', '.join(names(seen))}" if seen else ""
        kind = MissingKeyError if seen else ValueError
        fix = f"have it {'print' if file is None else 'write'} one, such as {example(name)}"
        if seen:
            fix = advice(options.quality_metric, name, names(seen))
        raise kind(
            f"{source} no JSON object with the key {told(options.quality_metric, name)}{last}. Fix: {fix}."
        )
    keys = {"nrmse": name, "loss": "", "peak_memory_gib": ""}
    metrics = to_metrics(found, keys, options.quality_metric)
    assert metrics is not None  # it has the key
    return metrics["nrmse"]


def _documents_in(text: str) -> Iterator[dict[Any, Any]]:
    """Returns the objects that begin a line, however many lines they span; else those within lines."""
    at, num = 0, 0
    for match in islice(_BEGIN.finditer(text), MAX_TRIES):
        if match.end() <= at:
            continue  # within the one before
        try:
            values, at = _DECODER.raw_decode(text, match.end() - 1)
        except (ValueError, RecursionError):
            continue
        num += 1
        yield values
    if not num:
        for line in text.splitlines()[-MAX_TRIES:]:
            yield from objects_in(line)
