"""Combines the runs of one configuration: one run may be luck, replicates tell.

Only runs of all epochs count. Knows how runs are pooled, not when more of them are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from statistics import fmean, stdev

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord, TrialState


@dataclass(frozen=True, kw_only=True)  # no slots: its figures are worked out once
class Estimate:
    """A configuration and its runs of all epochs, in the order of asking; the clock of one at least counts.

    Those that went on from a checkpoint are among them: their NRMSE counts as any other.
    """

    records: tuple[TrialRecord, ...]

    @property
    def config(self) -> TrialConfig:
        """The configuration that all runs had."""
        return self.records[0].config

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds they ran with, ascending."""
        return tuple(sorted({record.seed for record in self.records}))

    @cached_property
    def timed(self) -> tuple[TrialRecord, ...]:
        """The runs whose clocks count: those that nobody disturbed; all of them where every one was.

        Never one that went on from a checkpoint on another kind of device.
        """
        timed = tuple(record for record in self.records if record.is_timed)
        return tuple(record for record in timed if not record.is_contended) or timed

    @property
    def is_resumed(self) -> bool:
        """True when every run whose clock counts went on from a checkpoint: then it may not win."""
        return all(record.is_resumed for record in self.timed)

    @cached_property
    def time_s(self) -> float:
        """Training seconds at full budget: the mean of the `timed` runs.

        Never the minimum: the more runs a configuration has, the lower its minimum lies.
        """
        return fmean(record.time_s for record in self.timed)

    @property
    def time_se_s(self) -> float | None:
        """Standard error of `time_s`, seconds; None for a single timed run."""
        if len(self.timed) < 2:
            return None
        return stdev(record.time_s for record in self.timed) / sqrt(len(self.timed))

    @property
    def is_contended(self) -> bool:
        """True when others disturbed every timed run, so that `time_s` is an upper bound."""
        return all(record.is_contended for record in self.timed)

    @cached_property
    def nrmse(self) -> float:
        """The mean NRMSE of the runs."""
        return fmean(record.nrmse for record in self.records)

    @property
    def nrmse_sd(self) -> float | None:
        """The standard deviation of NRMSE between runs; None for a single run."""
        if len(self.records) < 2:
            return None
        return stdev(record.nrmse for record in self.records)

    @cached_property
    def peak_memory_gib(self) -> float:
        """The highest peak of any run, GiB."""
        return max(record.peak_memory_gib for record in self.records)


def estimates(records: Iterable[TrialRecord]) -> dict[TrialConfig, Estimate]:
    """The estimate of every configuration with a run of all epochs that was timed, in the order of asking.

    One that ran out of memory or diverged with any seed has none: it cannot be relied on.
    """
    runs: dict[TrialConfig, list[TrialRecord]] = {}
    unreliable = set()
    for record in records:
        if record.is_whole:
            runs.setdefault(record.config, []).append(record)
        elif record.state is TrialState.INFEASIBLE:
            unreliable.add(record.config)
    return {
        c: Estimate(records=tuple(group))
        for c, group in runs.items()
        if c not in unreliable and any(record.is_timed for record in group)
    }
