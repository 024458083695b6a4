"""Keeps which lines of a script's output were read as what, so that a person can check it.

Keeps a few lines, however many there are. Does not read metrics itself: it looks on as ``OutputWatch`` does.
"""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.command import template
from trainables.command.figures import ScriptFigures
from trainables.command.keys import find, name_of
from trainables.command.metrics import Metrics
from trainables.command.objects import objects_in
from trainables.command.options import CommandOptions
from trainables.command.output import STARTED, OutputWatch
from trainables.command.parameters import reaches_script
from trainables.trial_account import Told, TrialAccount

if TYPE_CHECKING:
    from trainables.command.script_probe import ScriptProbe

MAX_READS = 5
"""Most lines with metrics that are kept, from the first."""
MAX_PASSED = 3
"""Most lines without metrics that are kept, up to the last."""
MAX_QUOTE = 100
"""Most characters of a line that are quoted."""

_UNTRAINED = (
    "the untrained start, since its epoch is 0; if the script numbers its epochs from 0, write "
    "keys: {epoch: ''}, else one epoch will be missing"
)


class Account:
    """Looks on while the lines of a trial's output are read.

    Args:
        options: The stage's options.
        watch: Reads the lines.
        num_epochs: Epochs that the script is told to train.
        is_tried: Whether a person tries the trial out; a second epoch without a metric then ends the reading.
        whole: What a report is of if it is not an epoch's, in words.
    """

    def __init__(
        self,
        options: CommandOptions,
        watch: OutputWatch,
        num_epochs: int,
        *,
        is_tried: bool = False,
        whole: str = "the whole training",
    ) -> None:
        self._whole = whole
        self._options, self._watch, self._num_epochs = options, watch, num_epochs
        self._is_tried = is_tried
        self._gives_up = is_tried and options.per_epoch and options.source == "json"
        self._num_lines = self._num_reads = self._num_passed = self._num_epochs_read = 0
        self._reads: list[str] = []
        self._passed: deque[str] = deque(maxlen=MAX_PASSED)
        self._start = self._untrained = self._ended_at = ""
        self._runs: Told = []

    def launched(self, command: Sequence[str], words: Mapping[str, Any], folder: Path) -> None:
        """Notes what is about to run: the filled command, the trial's words and its folder."""
        kept = "kept" if self._options.logs else "removed when the trial ends; option logs keeps it"
        self._runs = [("command", shlex.join(command)), ("folder", f"{folder} ({kept})")]
        changes = template.changes(self._options, words)
        self._runs += [("config", f"{self._options.config}: {change}") for change in changes]
        if self._options.is_evaluated_by_epoch:
            when = f"after each of {self._num_epochs} epochs, which evaluate then evaluates"
        elif self._options.per_epoch:
            when = f"after each of {self._num_epochs} epochs"
        else:
            short = f"it is told {self._num_epochs} epoch only, and waited for"
            whole = "all of its training is waited for"
            is_short = self._is_tried and reaches_script(self._options, "num_epochs")
            when = f"once, at its end (per_epoch: false), so {short if is_short else whole}"
        self._runs.append(("reports", f"are expected {when}"))

    def see(self, line: str, at_s: float) -> Iterator[Metrics]:
        """Returns what ``OutputWatch.see`` returns for the line, and notes it.

        Raises:
            ValueError: A second epoch has been reported, and no metric: the others will have none either.
        """
        self._num_lines += 1
        last, is_read = self._watch.last, False
        try:
            for metrics in self._watch.see(line, at_s):
                is_read = True
                self._note(self._quoted(line), metrics)
                yield metrics
        except Exception:
            self._ended_at = f"{self._quoted(line)} -> ended the trial"
            raise
        is_read |= self._notes_untrained(self._quoted(line))
        if self._watch.last is not None and self._watch.last is not last:
            self._note(self._quoted(line), self._watch.last[0])
        elif not is_read:
            self._num_passed += 1
            self._passed.append(self._quoted(line))
            if self._gives_up and not self._num_reads and self._is_of_second_epoch(line):
                raise ValueError(self._watch.explain())

    def poll(self, at_s: float, /, *, is_end: bool) -> Iterator[tuple[Metrics, float]]:
        """Returns what ``OutputWatch.poll`` returns, and notes it."""
        last = self._watch.last
        for metrics, read_s in self._watch.poll(at_s, is_end=is_end):
            self._notes_untrained(self._options.file)
            self._note(self._options.file, metrics)
            yield metrics, read_s
        if self._watch.last is not None and self._watch.last is not last:
            self._note(self._options.file, self._watch.last[0])

    def evaluated(self, command: Sequence[str], nrmse: float) -> None:
        """Notes what the command of option ``evaluate`` said."""
        self._num_reads += 1
        self._reads.append(f"{shlex.join(command)} -> {self._as_one('nrmse', nrmse)}")

    def what_runs(self) -> Told:
        """Returns command, folder, patched keys, and when reports are expected."""
        return list(self._runs)

    def what_was_read(self) -> Told:
        """Returns the lines that were read, and how many were passed over; the last of them if none was."""
        told: Told = []
        if self._options.start or self._start:
            told.append(("start", self._start or f"no line has matched {self._options.start!r} so far"))
        if self._untrained:
            told.append(("start", self._untrained))
        told += [("read", text) for text in list(self._reads)]
        if self._num_reads > len(self._reads):
            told.append(("read", f"and {self._num_reads - len(self._reads)} more lines"))
        if self._ended_at:
            told.append(("read", self._ended_at))
        passed = f"{self._num_passed} of {self._num_lines} lines were passed over"
        if not self._num_reads and self._passed:
            passed += f", the last of them: {'; '.join(self._passed)}"
        told.append(("unread", passed))
        return told

    def what_is_missing(self) -> str:
        """Returns why no metrics were found, and which option to correct; "" if some were."""
        if self._num_reads:
            return ""
        if self._options.start and not self._start:
            return (
                f"no line of output matched option start={self._options.start!r}. Fix: correct it, or leave "
                "it out to count from the start of the process"
            )
        return self._watch.explain()

    def _is_of_second_epoch(self, line: str) -> bool:
        name = name_of("epoch", self._options.keys)
        found = (find(values, name) for values in objects_in(line) if name)
        return any(isinstance(epoch, int | float) and epoch >= 2 for epoch in found)

    def _notes_untrained(self, place: str) -> bool:
        """Notes where the untrained start was read, if this is the first line since; says whether it was."""
        is_new = self._options.per_epoch and not self._untrained and self._watch.start_nrmse is not None
        if is_new:
            self._untrained = f"{place} -> {_UNTRAINED}"
        return is_new

    def _note(self, place: str, metrics: Metrics) -> None:
        if metrics is STARTED:
            self._start = f"{place} -> training begins"
            return
        self._num_reads += 1
        self._num_epochs_read += 1
        if len(self._reads) < MAX_READS:
            self._reads.append(f"{place} -> {self._as_read(metrics)}")

    def _as_read(self, metrics: Metrics) -> str:
        parts = [self._as_one(ours, value) for ours, value in metrics.items()]
        is_epoch = self._options.per_epoch or self._options.is_clock_added_up
        parts.append(f"epoch {self._num_epochs_read}" if is_epoch else self._whole)
        if "time_s" not in metrics:
            parts.append("time from the wall clock")
        return ", ".join(parts)

    def _as_one(self, ours: str, value: float) -> str:
        clock = name_of("time_per_epoch", self._options.keys) if ours == "time_s" else ""
        theirs = name_of(ours, self._options.keys) or clock
        word = self._options.word(ours)
        return f"{word} {value:g}" + (f" (from {theirs})" if theirs != word else "")

    def _quoted(self, line: str) -> str:
        text = line.strip()
        return f"line {self._num_lines}: {text if len(text) <= MAX_QUOTE else f'{text[:MAX_QUOTE]}...'}"


class ScriptAccount(TrialAccount):
    """What a trial of a script tells of itself; ``build`` makes its account."""

    _account: Account
    _figures: ScriptFigures
    _script_probe: ScriptProbe | None = None

    @classmethod
    def is_tried_by_probe(cls, options: Mapping[str, Any]) -> bool:
        """Whether a short start, as option ``probe`` says, is what is tried out."""
        return bool(options.get("probe"))

    @classmethod
    def epochs_to_try(cls, options: Mapping[str, Any], num_epochs: int) -> int:
        """Returns 1 for a script that reports only at its end, if it is told how many epochs to train."""
        parsed = CommandOptions.parse(options)
        return num_epochs if parsed.per_epoch or not reaches_script(parsed, "num_epochs") else 1

    def what_runs(self) -> Told:
        """Returns command, folder, patched keys of the configuration, and when reports are expected."""
        if self._script_probe:
            return self._script_probe.what_runs()
        return self._account.what_runs() if hasattr(self, "_account") else []

    def what_was_read(self) -> Told:
        """Returns which lines of output were read as what."""
        if self._script_probe:
            return self._script_probe.what_was_read()
        return self._account.what_was_read() if hasattr(self, "_account") else []

    def what_was_found(self) -> Told:
        """Returns what a probe has found of its first configuration."""
        return self._script_probe.what_was_found() if self._script_probe else []

    def what_is_missing(self) -> str:
        """Returns why no metrics were found, and which option to correct."""
        return self._account.what_is_missing() if hasattr(self, "_account") else ""

    def memory_source(self) -> str:
        """Returns that it is the script's own figure, if it has told one, else NVML's of its card."""
        if self._script_probe.says_memory if self._script_probe else self._figures.peak_memory_gib:
            return "as the script itself reports"
        on_card = self.device_kind(self.config.get("stage", {})) == "cuda"  # type: ignore[attr-defined]
        return "of the script's processes on the card, as NVML tells it" if on_card else ""
