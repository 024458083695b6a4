"""Finds metrics in what a script prints or writes, under our names.

Knows lines, JSON, regexes and metrics files. Does not know processes or clocks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.command.options import METRICS, CommandOptions

Metrics = dict[str, float]
STARTED: Metrics = {}
"""What ``OutputWatch.see`` gives for the line at which training begins."""


class OutputWatch:
    """Says of each line in turn whether the trial needs it; keeps no more than it must.

    Args:
        options: Where metrics are.
        num_epochs: Reports that are needed; later ones are ignored.

    Attributes:
        last: The latest metrics and the time of their line, for a script that reports at its end.
        seen: Names in the latest line that looked like metrics, to explain a missing one.
    """

    def __init__(self, options: CommandOptions, num_epochs: int) -> None:
        self._options = options
        self._num_left = num_epochs
        self._is_started = not options.start
        self.last: tuple[Metrics, float] | None = None
        self.seen: list[str] = []

    def see(self, line: str, at_s: float) -> Metrics | None:
        """Metrics of an epoch, ``STARTED``, or None for a line that nobody waits for.

        Raises:
            ValueError: A metric is no number.
        """
        if not self._is_started:
            self._is_started = bool(re.search(self._options.start, line))
            return STARTED if self._is_started else None
        values = self._values(line)
        if values is None:
            return None
        self.seen = list(values)[:20]
        metrics = to_metrics(values, self._options.keys)
        if "nrmse" not in metrics:
            return None
        if not self._options.per_epoch:
            self.last = (metrics, at_s)
            return None
        self._num_left -= 1
        return metrics if self._num_left >= 0 else None

    def explain(self) -> str:
        """Why there was no NRMSE, naming the option to correct."""
        name = self._options.keys.get("nrmse", "nrmse")
        if self._options.source == "regex":
            return f"no line matched option pattern={self._options.pattern!r}"
        seen = f"; the last object had {', '.join(self.seen)}" if self.seen else ""
        return f"no line of output had a JSON object with the key {name!r} (option keys.nrmse){seen}"

    def _values(self, line: str) -> Mapping[str, Any] | None:
        if self._options.source == "regex":
            match = re.search(self._options.pattern, line)
            return match.groupdict() if match else None
        return _first_object(line) if self._options.source == "json" else None


def read_metrics_file(path: Path, keys: Mapping[str, str]) -> Metrics:
    """Metrics of a JSON file: one object, or one a line of which the last counts.

    Raises:
        ValueError: It is not there, no JSON, or has no NRMSE; the message names option and fix.
    """
    where = f"the metrics file {path} (option file)"
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        message = f"{where} cannot be read ({error.strerror}). Fix: have the script write it there."
        raise ValueError(message) from error
    try:
        values = json.loads(text)
    except json.JSONDecodeError:
        values = _first_object(text.splitlines()[-1]) if text else None
    if not isinstance(values, dict):
        raise ValueError(f"{where} is no JSON object. Fix: write one, or one a line.")
    metrics = to_metrics(values, keys)
    if "nrmse" not in metrics:
        name, there = keys.get("nrmse", "nrmse"), ", ".join(list(values)[:20]) or "nothing"
        raise ValueError(f"{where} has no {name!r}, but {there}. Fix: correct option keys.nrmse.")
    return metrics


def to_metrics(values: Mapping[str, Any], keys: Mapping[str, str]) -> Metrics:
    """The metrics among ``values``; time_s only where ``keys`` names it, since its meaning varies.

    Raises:
        ValueError: One is no number.
    """
    found = {}
    for ours in METRICS:
        theirs = keys.get(ours, "" if ours == "time_s" else ours)
        value = values.get(theirs)
        if value is None:
            continue
        try:
            found[ours] = float(value)
        except (TypeError, ValueError) as error:
            message = f"metric {theirs}={value!r} is no number. Fix: correct option keys.{ours} or pattern."
            raise ValueError(message) from error
    return found


def _first_object(line: str) -> dict[str, Any] | None:
    """The JSON object that begins at the first brace, whatever stands around it."""
    begin = line.find("{")
    if begin < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(line, begin)
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
