"""Sums up what ended trials and probes said: an event costs the same however many came before.

Knows no model. Everything is in the order of asking, so that workers do not change it, but `ended` and
`timed`, which are in the order of hearing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.trial import TrialRecord, TrialState, searched
from tuner.core.twins import AllTwins


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The result of a probe for a configuration.

    Attributes:
        epoch_time_s: Seconds of an epoch; None if it cannot be trained.
        peak_memory_gib: Peak memory; 0 if it was not measured.
        error: Relative standard error of the time, as the stage states it; 0 where it states none.
        is_too_large: Whether memory ran out.
    """

    config: TrialConfig
    epoch_time_s: float | None
    peak_memory_gib: float = 0.0
    error: float = 0.0
    is_too_large: bool = False


@dataclass(frozen=True, slots=True)
class Timed:
    """A configuration was timed for the first time, by a run or by a probe.

    Where others disturbed that run, its first undisturbed one is another.
    """

    config: TrialConfig
    is_probe: bool
    is_contended: bool = False


class Observations:
    """The trials and probes of one study.

    Attributes:
        records: Every trial asked for and not withdrawn, the newest record of each, by its id.
        running: Trials that have not ended.
        ended: Trials that have ended, in the order of ending.
        complete: Trials that ran all epochs, in one go or not.
        measured: Estimates by configuration; see `estimates` of core.
        mean_epoch_s: Seconds an epoch, by configuration: the mean over its uninterrupted runs, partial ones
            included; those that others disturbed count while there are no others.
        peaks: Largest peak memory in GiB that a trial of a configuration reported; 0 where none was
            measured. A stopped trial counts like any other.
        disturbed: Configurations of which all runs so far were disturbed.
        seeds: Seeds with which each configuration was asked for.
        num_asked: Number of times that each configuration was asked for.
        beside_s: Seconds beside training of the complete runs.
        failed: Configurations with a failed trial.
        infeasible: Configurations that ran out of memory or diverged.
        too_large: Configurations that ran out of memory.
        probes: Probes by configuration; the newest counts.
        timed: Timings in the order of hearing.
        num_timed: Number of `timed` that were known when none, one, two ... trials had ended.
    """

    def __init__(self, records: Iterable[TrialRecord] = (), probes: Iterable[Probed] = ()) -> None:
        self.records: dict[str, TrialRecord] = {}
        self.running: dict[str, TrialRecord] = {}
        self.ended: list[TrialRecord] = []
        self.measured: dict[TrialConfig, Estimate] = {}
        self.mean_epoch_s: dict[TrialConfig, float] = {}
        self.peaks: dict[TrialConfig, float] = {}
        self.disturbed: set[TrialConfig] = set()
        self.seeds: dict[TrialConfig, set[int]] = {}
        self.num_asked: dict[TrialConfig, int] = {}
        self.complete: list[TrialRecord] = []
        self.beside_s: list[float] = []
        self.failed: set[TrialConfig] = set()
        self.infeasible: set[TrialConfig] = set()
        self.too_large: dict[TrialConfig, None] = {}
        self.probes: dict[TrialConfig, Probed] = {}
        self.timed: list[Timed] = []
        self.num_timed = [0]
        self._twins, self._num_paired = AllTwins(), 0
        self._positions = itertools.count()
        self._position: dict[str, int] = {}
        self._whole: dict[TrialConfig, list[TrialRecord]] = {}
        self._epoch_times_s: dict[TrialConfig, list[float]] = {}
        self._first_timed: dict[TrialConfig, int] = {}
        self._last_timed = self._last_measured = -1
        for record in records:
            self.put(record)
        for probed in probes:
            self.put_probe(probed)

    @classmethod
    def of_times(cls, ended: Iterable[TrialRecord], probes: Iterable[Probed]) -> Observations:
        """Returns what ended trials and probes said of epoch times and peaks, and nothing else."""
        found = cls(probes=probes)
        for record in ended:
            found._position[record.trial_id] = next(found._positions)
            found._time(record)
        return found

    def put(self, record: TrialRecord) -> bool:
        """Takes a trial's newest record; True when it is new or has ended now."""
        before = self.records.get(record.trial_id)
        self.records[record.trial_id] = record
        if before is None:
            self._position[record.trial_id] = next(self._positions)
            self.seeds.setdefault(record.config, set()).add(record.seed)
            self.num_asked[record.config] = self.num_asked.get(record.config, 0) + 1
        if record.state is TrialState.RUNNING:
            self.running[record.trial_id] = record
            return before is None
        if before is not None and before.state is not TrialState.RUNNING:
            return False
        self.running.pop(record.trial_id, None)
        self._end(record)
        return True

    def withdraw(self, trial_id: str) -> None:
        """Forgets a trial that has not ended, as if it had never been asked for."""
        config = self.records.pop(trial_id).config
        del self.running[trial_id], self._position[trial_id]
        asked = [record for record in self.records.values() if record.config == config]
        if asked:
            self.seeds[config] = {record.seed for record in asked}
            self.num_asked[config] = len(asked)
        else:
            del self.seeds[config], self.num_asked[config]

    def put_probe(self, probed: Probed) -> None:
        """Takes what a probe said."""
        if probed.epoch_time_s and probed.config not in self.probes:
            self.timed.append(Timed(probed.config, is_probe=True))
        self.probes[probed.config] = probed

    @property
    def twins(self) -> AllTwins:
        """Pairs of runs that differ in one parameter alone, without those of a certificate."""
        for record in searched(self.ended[self._num_paired :]):
            self._twins.add(record)
        self._num_paired = len(self.ended)
        return self._twins

    def _end(self, record: TrialRecord) -> None:
        self.ended.append(record)
        self._time(record)
        if record.is_whole:
            self._measure(record)
        if record.state is TrialState.FAILED:
            self.failed.add(record.config)
        if record.state is TrialState.INFEASIBLE:
            self.infeasible.add(record.config)
            self.measured.pop(record.config, None)
        if record.constraint == "memory":
            self.too_large[record.config] = None
        self.num_timed.append(len(self.timed))

    def _time(self, record: TrialRecord) -> None:
        seconds = epoch_s(record)
        if seconds is None:
            return
        config, position = record.config, self._position[record.trial_id]
        self.peaks[config] = max(record.peak_memory_gib, self.peaks.get(config, 0.0))
        counted = self._epoch_times_s.setdefault(config, [])
        is_cleaner = config in self.disturbed and not record.is_contended
        if not counted or is_cleaner:
            self.timed.append(Timed(config, is_probe=False, is_contended=record.is_contended))
            (self.disturbed.add if record.is_contended else self.disturbed.discard)(config)
            counted.clear()
        if record.is_contended == (config in self.disturbed):
            counted.append(seconds)
            self.mean_epoch_s[config] = fmean(counted)
        first = min(position, self._first_timed.get(config, position))
        is_out_of_turn = first == position < self._last_timed
        self._first_timed[config] = first
        self._last_timed = max(self._last_timed, first)
        if is_out_of_turn:
            order = sorted(self.mean_epoch_s, key=self._first_timed.__getitem__)
            self.mean_epoch_s = {config: self.mean_epoch_s[config] for config in order}
            self.peaks = {config: self.peaks[config] for config in order}

    def _measure(self, record: TrialRecord) -> None:
        assert record.last is not None  # it ran all epochs
        last, config = record.last, record.config
        self.complete.append(record)
        self.beside_s.append(last.setup_time_s + last.warmup_time_s + last.evaluate_time_s)
        if config in self.infeasible:
            return
        runs = self._whole[config] = sorted((*self._whole.get(config, ()), record), key=self._at)
        if not any(run.is_timed for run in runs):
            return
        is_first = config not in self.measured or runs[0] is record
        self.measured[config] = Estimate(records=tuple(runs))
        first = self._at(runs[0])
        is_out_of_turn = is_first and first < self._last_measured
        self._last_measured = max(self._last_measured, first)
        if is_out_of_turn:
            order = sorted(self.measured.values(), key=lambda estimate: self._at(estimate.records[0]))
            self.measured = {estimate.config: estimate for estimate in order}

    def _at(self, record: TrialRecord) -> int:
        return self._position[record.trial_id]


def epoch_s(record: TrialRecord) -> float | None:
    """Mean seconds of an epoch; None of a trial that finished none, or was interrupted."""
    if not record.epoch or record.is_resumed:
        return None
    return record.time_s / record.epoch
