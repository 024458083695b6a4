"""What the runs of one configuration say together: one run may be luck, replicates tell.

Only full-budget runs count. Knows how runs are pooled, not when more of them are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord, TrialState


@dataclass(frozen=True, kw_only=True)  # no slots: its figures are worked out once
class Estimate:
    """A configuration and its full-budget runs, at least one, in the order of asking."""

    records: tuple[TrialRecord, ...]

    @property
    def config(self) -> TrialConfig:
        """What all of them ran with."""
        return self.records[0].config

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds they ran with, ascending."""
        return tuple(sorted({record.seed for record in self.records}))

    @cached_property
    def time_s(self) -> float:
        """Training seconds at full budget: the shortest run, since a disturbed clock only runs slow."""
        return min(record.time_s for record in self.records)

    @property
    def is_contended(self) -> bool:
        """True when others disturbed every run, so that `time_s` is an upper bound."""
        return all(record.is_contended for record in self.records)

    @cached_property
    def nrmse(self) -> float:
        """The mean NRMSE."""
        return fmean(record.nrmse for record in self.records)

    @property
    def nrmse_sd(self) -> float | None:
        """Its standard deviation between runs; None for a single one."""
        if len(self.records) < 2:
            return None
        return stdev(record.nrmse for record in self.records)

    @cached_property
    def peak_memory_gib(self) -> float:
        """The highest peak of any run, GiB."""
        return max(record.peak_memory_gib for record in self.records)


def estimates(records: Iterable[TrialRecord]) -> dict[TrialConfig, Estimate]:
    """The estimate of every configuration with a full-budget run, in the order of asking.

    One that ran out of memory or diverged with any seed has none: it cannot be relied on.
    """
    runs: dict[TrialConfig, list[TrialRecord]] = {}
    unreliable = set()
    for record in records:
        if record.is_full_budget:
            runs.setdefault(record.config, []).append(record)
        elif record.state is TrialState.INFEASIBLE:
            unreliable.add(record.config)
    return {c: Estimate(records=tuple(group)) for c, group in runs.items() if c not in unreliable}
