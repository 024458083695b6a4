"""The outcome of a certificate's check and the finding behind it, as values: the report words them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tuner.core.limits import Breach


class Outcome(StrEnum):
    """The outcome of a check."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    NOT_MEASURABLE = "not measurable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPair:
    """No pair was run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TooFewPairs:
    """So few pairs that nothing can be tested."""

    num_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotJudged:
    """Pairs were run, but the look at them is still to come.

    Attributes:
        num_run: Number of pairs.
        num_alone: Runs of the recommended configuration alone that followed them.
    """

    num_run: int
    num_alone: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DisturbedPairs:
    """Too few pairs whose clocks count.

    Attributes:
        num_disturbed: Pairs that others disturbed, or that continued from a checkpoint.
        num_pairs: All of them.
        is_any_resumed: Whether one continued from a checkpoint.
    """

    num_disturbed: int
    num_pairs: int
    is_any_resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The baseline's objective over the recommended one's.

    Attributes:
        ratio: The ratio itself.
        low: Lower bound of its two-sided interval at `level`.
        high: Upper bound.
        level: Error level; the confidence of the interval is 1 - `level`.
        num_censored: Pairs in which it is an upper bound: the run never reached the target.
        num_pairs: All of them.
        is_baseline_out: Whether the baseline's runs miss the target, so that there is nothing to beat.
    """

    ratio: float
    low: float
    high: float
    level: float
    num_censored: int
    num_pairs: int
    is_baseline_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergedRuns:
    """Runs of the recommended configuration that diverged."""

    num_diverged: int
    num_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NrmseChange:
    """The change of NRMSE against the baseline, percent, and what it says of margin and target.

    Attributes:
        change_pct: The mean.
        upper_pct: Upper bound of its one-sided interval.
        margin: Whether it is within the margin.
        mean_nrmse: Mean NRMSE of the recommended configuration.
        target: Whether this mean meets the target.
        num_target_runs: Runs that the mean is of; None if they are those of the pairs.
    """

    change_pct: float
    upper_pct: float
    margin: Outcome
    mean_nrmse: float
    target: Outcome
    num_target_runs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfMemory:
    """Runs that ran out of memory, and allocations that had to be tried again."""

    num_out_of_memory: int
    num_runs: int
    num_alloc_retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEpoch:
    """No run finished an epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakMemory:
    """The most memory that runs held.

    Attributes:
        peak_gib: The peak, GiB; None if no run reported it.
        num_runs: Number of runs that finished an epoch.
        num_silent: Number of those runs that did not report their peak memory.
        memory_gib: Memory of the device, GiB; None if it is unknown.
        headroom_pct: Percent of the device's memory that stays free; None if either figure is unknown.
    """

    peak_gib: float | None
    num_runs: int
    num_silent: int
    memory_gib: float | None
    headroom_pct: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TooShort:
    """A training too short to be watched: its seconds."""

    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoUtilisation:
    """No run reported the utilisation of a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """Mean utilisation, percent, and whether there is nothing left to increase."""

    baseline_pct: float
    winner_pct: float
    is_saturated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsKept:
    """Every limit is kept by the mean of so many runs."""

    num_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsNotKept:
    """The limits that are broken, else those that cannot be judged."""

    breaches: tuple[Breach, ...]


Seen = (
    NoPair
    | TooFewPairs
    | NotJudged
    | DisturbedPairs
    | Gain
    | DivergedRuns
    | NrmseChange
    | OutOfMemory
    | NoEpoch
    | PeakMemory
    | TooShort
    | NoUtilisation
    | Utilisation
    | LimitsKept
    | LimitsNotKept
)
