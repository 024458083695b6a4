"""Reads the NRMSE that a second command computes after the script: the option ``evaluate``.

Knows the command's output and its metrics file. Does not know how a process is started.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from trainables.command import verdict
from trainables.command.objects import MISSING, MissingKeyError, lookup, names, objects_in
from trainables.command.options import CommandOptions
from trainables.command.output import MAX_QUOTE, Metrics, mapping_of, name_of, to_metrics
from trainables.command.process import Script
from trainables.telemetry.failures import MissingMetricError, ScriptError
from trainables.telemetry.symptoms import proves_out_of_memory

LOG = "evaluate.log"
"""Name of the file in a trial's folder that has the command's output."""
LOG_OF_START = "evaluate_start.log"
"""Name of the one with the output of the command that evaluates the untrained start."""
WHAT = "the evaluation"

MAX_TEXT = 4 * 1024 * 1024
"""Most characters of the output, from its end, that are looked at."""
MAX_TRIES = 1_000
"""Most lines of the output at which an object may begin that are looked at."""

_BEGIN = re.compile(r"^[ \t]*\{", re.MULTILINE)
_DECODER = json.JSONDecoder()


def nrmse_of(script: Script, options: CommandOptions, file: Path | None, log: Path) -> float:
    """Waits for the command to end, and returns the NRMSE that it computed.

    Args:
        script: The command, started; its output goes to ``log``.
        options: The stage's options; ``keys.nrmse`` is the name of the NRMSE, dotted where it nests objects.
        file: Its metrics file; None if it prints them.
        log: File that has all of its output.

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
        return _read(options, file, log)
    except ValueError as mistake:
        kind = MissingMetricError if isinstance(mistake, MissingKeyError) else ScriptError
        raise kind(
            f"{WHAT}'s output cannot be used: {mistake} ({where})\n{verdict.last_lines(script.tail)}"
        ) from mistake


def notice(line: str, at_s: float) -> Iterable[Metrics]:
    """Selects no line of the command's output; raises MemoryError for one that says that memory ran out."""
    if proves_out_of_memory(line):
        raise MemoryError(f"{WHAT} ran out of memory, as it says: {line.strip()[:MAX_QUOTE]}")
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
        found = values if lookup(values, name) is not MISSING else found
    if found is None:
        last = f"; the last object has {', '.join(names(seen))}" if seen else ""
        kind = MissingKeyError if seen else ValueError
        raise kind(
            f"{source} no JSON object with the key {name!r}{last}. "
            f"Fix: {mapping_of(names(seen), options.quality_metric)}."
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
