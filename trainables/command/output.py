"""Finds metrics in what a script prints or writes, under our names, and checks every one of them.

Knows lines, objects and regexes, follows the files of ``sources``, and notices when the script says that
memory ran out or that it skipped work. Does not know processes or clocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from foundation.memory_words import proves_out_of_memory
from foundation.one_line import one_line
from trainables.command.epochs import EpochCount, SumOfEpochs
from trainables.command.keys import CLOCKS, KEYS, METRICS, advice, example, name_of, names_of, told
from trainables.command.metrics import Metrics, epoch_of, to_metrics
from trainables.command.objects import MAX_QUOTE, MissingKeyError, names, objects_in
from trainables.command.options import CommandOptions
from trainables.command.patterns import compile_pattern, read_number
from trainables.command.sources import Source, follow_file, follow_tensorboard, follow_wandb
from trainables.telemetry.failures import SkippedWorkError
from trainables.telemetry.symptoms import says_work_was_skipped

STARTED: Metrics = {}
"""The answer of ``OutputWatch.see`` for the line at which training begins."""

MAX_MATCHES = 8
"""Most matches of a regex in one line that are looked at."""

_FRAME = re.compile(r'.{0,80}File "[^"]*", line \d+')  # of a traceback; the next line is source code


class OutputWatch:
    """Reads each line in turn and extracts what the trial needs; keeps no more than it must.

    Args:
        options: The stage's options, which say where metrics are.
        num_epochs: Reports that are needed, no more and no fewer, unless ``per_epoch`` is off.

    Attributes:
        last: The latest metrics and the time of their line, for a script that reports at its end.
    """

    def __init__(self, options: CommandOptions, num_epochs: int) -> None:
        self._options = options
        self._count = EpochCount(num_epochs, options.quality)
        self._sum = SumOfEpochs(num_epochs, options.keys) if options.is_clock_added_up else None
        wanted = {name for ours in KEYS for name in names_of(self._name(ours))}
        self._groups = [group for group in re.compile(options.pattern).groupindex if group in wanted]
        self._pattern = compile_pattern(options.pattern, self._groups)
        self._is_started = not options.start
        self._is_source = False
        self._infeasible_if = [re.compile(regex) for regex in options.infeasible_if]
        self._seen: list[str] = []
        self._source: Source | None = None
        self._training_s = self._added_at_s = 0.0
        self.last: tuple[Metrics, float] | None = None
        self._num_epochs = num_epochs
        self._highest = 0.0
        self._start_nrmse: float | None = None

    def follow(self, place: Path) -> None:
        """Begins to follow the file or folder that is the source of metrics, where one is.

        Call it before the script starts: what is there already is not the script's.
        """
        if self._options.source == "file":
            self._source = follow_file(place, self._options.format_of_file)
        elif self._options.source == "tensorboard":
            keys = [key for ours, key in self._options.keys.items() if key and ours != "nrmse"]
            others = [name for key in keys for name in names_of(key)]
            self._source = follow_tensorboard(place, names_of(self._name("nrmse")), others)
        elif self._options.source == "wandb":
            named = [name_of(ours, self._options.training_keys) for ours in ("nrmse", *CLOCKS)]
            self._source = follow_wandb(place, next(filter(None, named), ""))

    def poll(self, at_s: float, *, is_end: bool) -> Iterator[tuple[Metrics, float]]:
        """Returns the metrics of each epoch that the followed file has got, and when it got them.

        Args:
            at_s: ``time.perf_counter()``.
            is_end: Whether the script has ended.

        Raises:
            ValueError: As for ``see``.
        """
        for values, age_s in self._source.poll(is_end=is_end) if self._source else ():
            if self._is_started:
                for metrics in self._report(values, at_s - age_s):
                    yield metrics, at_s - age_s

    def see(self, line: str, at_s: float) -> Iterator[Metrics]:
        """Returns the metrics of each epoch that a line reports, or ``STARTED``.

        Raises:
            MemoryError: The line says that memory ran out, whatever the script did about it.
            SkippedWorkError: The line says that work was left out, or matches ``infeasible_if``.
            ValueError: A metric is not what it must be, or the epochs are not in order.
        """
        self._notice(line)
        if not self._is_started:
            self._is_started = bool(re.search(self._options.start, line))
            if self._is_started:
                yield STARTED
            return
        for values in self._values(line):
            yield from self._report(values, at_s)

    def _report(self, values: Mapping[Any, Any], at_s: float) -> Iterator[Metrics]:
        """Returns the metrics of a report that is an epoch's; keeps them if the script reports at its end."""
        self._seen = names(values)
        if self._sum is not None:
            self._add_epoch(values, self._sum, at_s)
        metrics = to_metrics(values, self._options.training_keys, self._options.quality_metric)
        is_told_by_number = self._options.is_evaluated_by_epoch and bool(self._name("epoch"))
        if metrics is None and not is_told_by_number:
            return
        epoch = epoch_of(values, self._name("epoch"))
        if epoch is None and is_told_by_number:
            return
        metrics = metrics or {}
        self._highest = max(self._highest, epoch or 0.0)
        is_first = not (self._count.num or self.last)
        if epoch is not None and epoch <= 0 and is_first and "nrmse" in metrics:
            self._start_nrmse = metrics["nrmse"]
            if self._options.per_epoch and not self._has_own_clock:
                yield STARTED
        if self._options.per_epoch:
            if self._count.is_end_of_epoch(epoch):
                self._require_clock(metrics)
                yield self._with_cumulative_clock(metrics)
        elif (epoch is None or epoch > 0) and self._has_clock(metrics):
            self.last = (self._with_sum(metrics), at_s)

    def final(self, metrics: Metrics, at_s: float) -> tuple[Metrics, float]:
        """Returns the metrics of the whole training and their time; its seconds are added up, if of epochs.

        That time is then of the last epoch's report: what the script does after it is no training.

        Raises:
            ValueError: They are not those of as many epochs as the study has.
        """
        if self._sum is not None and not self._sum.is_complete:
            if why := self._sum.why_short() or (self._source.why_nothing() if self._source else ""):
                raise ValueError(why)
            raise self._no_clock("time_per_epoch")
        return self._with_sum(metrics), at_s if self._sum is None else self._added_at_s

    @property
    def has_other_names(self) -> bool:
        """Whether there were reports, but none with an NRMSE: so it is with every configuration."""
        return bool(self._seen) and self.last is None and not self._count.has_seen_any

    @property
    def start_nrmse(self) -> float | None:
        """NRMSE of the untrained start, from the latest line of epoch 0 before any other; None without one.

        Nor is there one if the script numbers its epochs from 0, as far as that can be told.
        """
        is_from_1 = self._highest >= self._num_epochs or (not self._highest and self._num_epochs > 1)
        return self._start_nrmse if self._options.per_epoch or is_from_1 else None

    @property
    def _has_own_clock(self) -> bool:
        return any(map(self._name, CLOCKS))

    def explain(self) -> str:
        """Returns why there were no or too few NRMSEs, and which option to correct."""
        if self._count.has_seen_any:
            return self._count.why_short()
        seen = f"; the last object had {', '.join(self._seen)}" if self._seen else ""
        if self._options.is_evaluated_by_epoch:
            ours = "epoch" if self._name("epoch") else "loss"
            return (
                f"no report had the key {told(ours, self._name(ours))}, after which to evaluate{seen}. "
                f"Fix: {self._fix(ours)}."
            )
        nrmse, word, fix = self._name("nrmse"), self._options.quality_metric, self._fix("nrmse")
        if self._source is not None:
            there = ", ".join(self._seen) or "nothing from after the line of option start"
            return self._source.why_nothing() or (
                f"{self._options.file} (option file) has no {told(word, nrmse)}, but {there}. Fix: {fix}."
            )
        if self._options.source == "regex":
            return f"no line matched option pattern={self._options.pattern!r}. Fix: correct it."
        if self._options.evaluate:
            return (
                f"no line of output had an object with the key {told('time_s', self._name('time_s'))}{seen}. "
                "Fix: correct keys.time_s, or leave it out to use the wall clock."
            )
        return f"no line of output had an object with the key {told(word, nrmse)}{seen}. Fix: {fix}."

    def _fix(self, ours: str) -> str:
        """Returns what to do about a figure that was in no report."""
        name = self._name(ours)
        if self._seen or self._options.source != "json":
            return advice(self._options.word(ours), name, self._seen)
        shown = example(name, "1" if ours == "epoch" else "0.1")
        return f"print it in an object, such as {shown}, or read lines as they are: source: regex and pattern"

    def _has_clock(self, metrics: Metrics) -> bool:
        """Whether metrics have the script's own clock, where a line counts for nothing else."""
        return not (self._options.evaluate and self._name("time_s")) or "time_s" in metrics

    def _require_clock(self, metrics: Metrics) -> None:
        """Raises ValueError for an epoch without the script's own clock where that is to be read."""
        for ours in CLOCKS:
            name = self._name(ours)
            if name and ours not in metrics:
                raise self._no_clock(ours)

    def _no_clock(self, ours: str) -> MissingKeyError:
        seen = f"it has {', '.join(self._seen)}" if self._seen else "there was no report at all"
        return MissingKeyError(
            f"an epoch's report has no {self._name(ours)!r}, which keys.{ours} names; {seen}. "
            f"Fix: correct keys.{ours}, or leave it out to use the wall clock."
        )

    def _with_cumulative_clock(self, metrics: Metrics) -> Metrics:
        """Replaces the seconds of an epoch by those of all epochs so far."""
        if "time_per_epoch" not in metrics:
            return metrics
        self._training_s += metrics.pop("time_per_epoch")
        return metrics | {"time_s": self._training_s}

    def _add_epoch(self, values: Mapping[Any, Any], to: SumOfEpochs, at_s: float) -> None:
        """Adds the seconds of an epoch to those of the epochs before, if a report has them."""
        name = self._name("time_per_epoch")
        found = to_metrics(values, dict.fromkeys(METRICS, "") | {"time_per_epoch": name})
        if found:
            to.add(found["time_per_epoch"], epoch_of(values, self._name("epoch")))
            self._added_at_s = at_s

    def _with_sum(self, metrics: Metrics) -> Metrics:
        """Replaces the seconds of an epoch by those of all so far, for a script that reports at its end."""
        if self._sum is None:
            return metrics
        others = {ours: value for ours, value in metrics.items() if ours != "time_per_epoch"}
        return others | {"time_s": self._sum.time_s}

    def _notice(self, line: str) -> None:
        """Raises for a line that makes the trial infeasible; lines of source code in a traceback never do."""
        is_source, self._is_source = self._is_source, bool(_FRAME.match(line))
        if is_source:
            return
        if proves_out_of_memory(line):
            raise MemoryError(f"the script ran out of memory, as it says: {one_line(line, MAX_QUOTE)}")
        if says_work_was_skipped(line):
            raise SkippedWorkError(f"the script skipped work, as it says: {one_line(line, MAX_QUOTE)}")
        for regex in self._infeasible_if:
            if regex.search(line):
                raise SkippedWorkError(
                    f"the script said what option infeasible_if={regex.pattern!r} looks for: "
                    f"{one_line(line, MAX_QUOTE)}"
                )

    def _values(self, line: str) -> Iterator[Mapping[Any, Any]]:
        if self._options.source == "regex":
            found = [self._read(match) for match in islice(self._pattern.finditer(line), MAX_MATCHES)]
            if any(values != found[0] for values in found[1:]):
                raise ValueError(
                    f"option pattern matches this line more than once, with different numbers: "
                    f"{one_line(line, MAX_QUOTE)}. Fix: make it match only the right one, for example "
                    rf"\bval_{self._options.quality_metric}=..."
                )
            yield from found[:1]
        elif self._options.source == "json":
            yield from objects_in(line)

    def _read(self, match: re.Match[str]) -> dict[str, float]:
        read = {group: read_number(match, group) for group in self._groups}
        return {group: number for group, number in read.items() if number is not None}

    def _name(self, ours: str) -> str:
        return name_of(ours, self._options.keys)
