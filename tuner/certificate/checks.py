"""The guide's four checks ("Validation"), each as a test on pairs: time, NRMSE, memory, utilisation.

A check passes or fails when that is shown at the level of the terms, and is undecided otherwise. What nobody
measured never passes: it is not measurable here or, where no certificate is worth anything without it (the
objective, NRMSE, the study's limits), undecided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from tuner.certificate.rounds import Pair
from tuner.certificate.seen import (
    DisturbedPairs,
    Gain,
    LimitsKept,
    LimitsNotKept,
    NoEpoch,
    NoPair,
    NoUtilisation,
    NrmseChange,
    Outcome,
    OutOfMemory,
    PeakMemory,
    Seen,
    TooFewPairs,
    TooShort,
    Utilisation,
)
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal, Objective
from tuner.core.limits import reported
from tuner.core.paired_mean import PairedMean
from tuner.core.recommend import misses_target
from tuner.core.trial import TrialRecord, TrialState

MIN_HEADROOM_PCT = 5.0
"""Share of the device's memory that must stay free: fragmentation and other processes take some."""

SATURATED_PCT = 95.0
"""Mean utilisation from which there is nothing left to increase."""


MIN_WATCHED_S = 3.0
"""A shorter training is not watched well: NVML's figure is of the last 1/6 to 1 s, whatever ran in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTest:
    """The t-test against an absolute target.

    Attributes:
        level: One-sided error level.
        num_runs: Number of runs of the winner tested.
    """

    level: float
    num_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRuns:
    """The runs of the winner that are held against an absolute target.

    Attributes:
        nrmse: NRMSE of each, at least two.
        level: Level of the test.
        next_level: Level of the test after more runs.
    """

    nrmse: tuple[float, ...]
    level: float
    next_level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTTest:
    """The statistical test of a check: which one it is follows from the check.

    Attributes:
        level: One-sided error level.
        num_pairs: Number of pairs tested.
        target: The test against the target, if it has another level or other runs.
    """

    level: float
    num_pairs: int
    target: TargetTest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check of the certificate.

    Attributes:
        key: `utilisation`, `time`, `nrmse`, `memory`, or `limits` where the study has some.
        outcome: The outcome; see `Outcome`.
        seen: The finding, for people.
        test: None if it is not a statistical test.
        figures: The figures of `seen`, for programs.
        pairs_needed: Pairs that would probably decide it at the level of the next look, in all; see
            `PairedMean.pairs_needed`. None when it is decided, or when nothing can be said.
        runs_needed: Runs of the winner that would probably decide an absolute target, in all; None as above.
    """

    key: str
    outcome: Outcome
    seen: Seen
    test: PairedTTest | None = None
    figures: Mapping[str, float | None] = field(default_factory=dict)
    pairs_needed: int | None = None
    runs_needed: int | None = None


def percent(log_ratio: float) -> float:
    """A change as percent, from the logarithm of a ratio."""
    return 100 * math.expm1(log_ratio)


def judged(
    seen: PairedMean, bound: float, level: float, next_level: float | None = None
) -> tuple[Outcome, int | None]:
    """Whether a mean lies under `bound`, and the pairs that would probably show it.

    Args:
        seen: The mean.
        bound: The bound to lie under.
        level: Level of the test.
        next_level: Level of the test after more pairs; None if it is the same.
    """
    if seen.upper(level) < bound:
        return Outcome.PASSED, None
    if seen.lower(level) > bound:
        return Outcome.FAILED, None
    return Outcome.UNDECIDED, seen.pairs_needed(bound, next_level or level)


def undecided(key: str, seen: Seen) -> Check:
    """A check for which there is nothing to go by."""
    return Check(key=key, outcome=Outcome.UNDECIDED, seen=seen)


def check_objective(
    pairs: Sequence[Pair], goal: Goal, level: float, next_level: float | None = None
) -> Check:
    """Whether the study's objective decreased: the training time, unless the study wants something else.

    It need not where the baseline misses the target: what meets it may take longer.
    """
    is_energy = goal.objective is Objective.ENERGY  # other work does not disturb it
    clean = [pair for pair in pairs if (not pair.is_resumed if is_energy else pair.is_clean)]
    logs = [log for pair in clean if (log := _log_gain(pair, goal)) is not None]
    if len(logs) < 2:
        return undecided("time", _too_few(pairs, len(pairs) - len(clean), len(logs)))
    gain = PairedMean.of(logs)
    outcome, needed = judged(PairedMean(mean=-gain.mean, sd=gain.sd, num=gain.num), 0.0, level, next_level)
    low, high = (math.exp(bound(level / 2)) for bound in (gain.lower, gain.upper))
    num_censored = 0 if outcome is Outcome.FAILED else _num_too_good(clean, goal)
    if num_censored:
        outcome, needed = Outcome.UNDECIDED, None
    ratio = math.exp(gain.mean)
    is_out = misses_target(Estimate(records=tuple(pair.baseline for pair in pairs)), goal.target)
    if is_out and outcome is not Outcome.PASSED:
        outcome, needed = Outcome.NOT_MEASURABLE, None
    seen = Gain(
        ratio=ratio,
        low=low,
        high=high,
        level=level,
        num_censored=num_censored,
        num_pairs=len(clean),
        is_baseline_out=is_out,
    )
    return Check(
        key="time",
        outcome=outcome,
        seen=seen,
        test=PairedTTest(level=level, num_pairs=gain.num),
        figures={"ratio": ratio, "ratio_low": low, "ratio_high": high, "num_pairs": gain.num},
        pairs_needed=needed,
    )


def _too_few(pairs: Sequence[Pair], num_disturbed: int, num_clean: int) -> Seen:
    """Returns the reason why too few pairs can be compared by time."""
    if not num_disturbed:
        return TooFewPairs(num_pairs=num_clean)
    return DisturbedPairs(
        num_disturbed=num_disturbed,
        num_pairs=len(pairs),
        is_any_resumed=any(pair.is_resumed for pair in pairs),
    )


def _log_gain(pair: Pair, goal: Goal) -> float | None:
    """Logarithm of the baseline's objective over the winner's; None when it was not reported."""
    baseline, winner = (Estimate(records=(run,)) for run in (pair.baseline, pair.winner))
    before, after = goal.value(baseline, baseline), goal.value(winner, baseline)
    return None if not before or not after else math.log(before / after)


def _num_too_good(pairs: Sequence[Pair], goal: Goal) -> int:
    """Pairs whose gain is an upper bound: the winner's objective is only known to be more than its value."""
    both = ((Estimate(records=(p.winner,)), Estimate(records=(p.baseline,))) for p in pairs)
    return sum(goal.is_censored(winner, baseline) for winner, baseline in both)


def check_nrmse(
    pairs: Sequence[Pair],
    goal: Goal,
    level: float,
    margin_pct: float,
    next_level: float | None = None,
    alone: TargetRuns | None = None,
) -> Check:
    """Whether NRMSE is no worse than the baseline's by more than the margin, and within the target.

    Args:
        pairs: Pairs of the baseline and the winner.
        goal: The study's goal.
        level: Level of the tests.
        margin_pct: The margin, percent.
        next_level: Level of the tests after more pairs; None if it is the same.
        alone: The runs to hold against an absolute target; None for those of the pairs, at `level`.
    """
    if len(pairs) < 2:
        return undecided("nrmse", TooFewPairs(num_pairs=len(pairs)))
    change = PairedMean.of([math.log(p.winner.nrmse / p.baseline.nrmse) for p in pairs])
    of_pairs = tuple(p.winner.nrmse for p in pairs)
    runs = alone or TargetRuns(nrmse=of_pairs, level=level, next_level=next_level or level)
    margin, pairs_needed = judged(change, math.log1p(margin_pct / 100), level, next_level)
    target, runs_needed = _against_target(change, runs, goal)
    if goal.target.is_relative:
        pairs_needed, runs_needed = max(pairs_needed or 0, runs_needed or 0) or None, None
    num, mean = len(runs.nrmse), fmean(runs.nrmse)
    is_same = (num, runs.level) == (change.num, level)
    return Check(
        key="nrmse",
        outcome=worst([margin, target]),
        seen=NrmseChange(
            change_pct=percent(change.mean),
            upper_pct=percent(change.upper(level)),
            margin=margin,
            mean_nrmse=mean,
            target=target,
            num_target_runs=None if runs.nrmse == of_pairs else num,
        ),
        test=PairedTTest(
            level=level,
            num_pairs=change.num,
            target=None if is_same else TargetTest(level=runs.level, num_runs=num),
        ),
        figures={
            "change_pct": percent(change.mean),
            "change_lower_pct": percent(change.lower(level)),
            "change_upper_pct": percent(change.upper(level)),
            "sd_pct": 100 * change.sd,
            "mean_nrmse": mean,
            "num_pairs": change.num,
            "num_target_runs": num,
        },
        pairs_needed=pairs_needed,
        runs_needed=runs_needed,
    )


def _against_target(change: PairedMean, runs: TargetRuns, goal: Goal) -> tuple[Outcome, int | None]:
    """Judges the target: a relative one by the pairs, an absolute one by the winner's runs."""
    against = change if goal.target.is_relative else PairedMean.of([math.log(one) for one in runs.nrmse])
    return judged(against, math.log(goal.target.bound), runs.level, runs.next_level)


def check_memory(runs: Sequence[TrialRecord], memory_gib: float | None) -> Check:
    """Whether the winner never ran out of memory, and leaves some free; not measurable without both figures.

    Args:
        runs: All of the winner's, whatever they were for.
        memory_gib: Memory of the device in GiB; None if unknown.
    """
    out = sum(run.state is TrialState.INFEASIBLE and run.constraint == "memory" for run in runs)
    told = [run.last.num_alloc_retries for run in runs if run.last]
    retries = [num for num in told if num is not None]
    held = [_held_gib(run) for run in runs if run.epoch]
    peaks = [gib for gib in held if gib is not None]
    free_pct = 100 * (1 - max(peaks) / memory_gib) if peaks and memory_gib else None
    outcome, seen = _headroom(held, memory_gib, free_pct)
    if out or any(retries):
        outcome = Outcome.FAILED
        seen = OutOfMemory(num_out_of_memory=out, num_runs=len(runs), num_alloc_retries=sum(retries))
    figures = {
        "num_runs": len(runs),
        "num_out_of_memory": out,
        "num_alloc_retries": sum(retries) if retries else None,
        "peak_gib": max(peaks, default=None),
        "memory_gib": memory_gib,
        "headroom_pct": free_pct,
    }
    return Check(key="memory", outcome=outcome, seen=seen, figures=figures)


def _headroom(
    held: Sequence[float | None], memory_gib: float | None, free_pct: float | None
) -> tuple[Outcome, Seen]:
    """Judges the peak memory of the runs against the device's; None if a run did not report it."""
    if not held:
        return Outcome.UNDECIDED, NoEpoch()
    silent = sum(gib is None for gib in held)
    seen = PeakMemory(
        peak_gib=max((gib for gib in held if gib is not None), default=None),
        num_runs=len(held),
        num_silent=silent,
        memory_gib=memory_gib,
        headroom_pct=free_pct,
    )
    if free_pct is not None and free_pct < MIN_HEADROOM_PCT:
        return Outcome.FAILED, seen
    return Outcome.NOT_MEASURABLE if silent or free_pct is None else Outcome.PASSED, seen


def _held_gib(run: TrialRecord) -> float | None:
    """Returns the most memory a run held, GiB: the allocator's reservation if known; None if not reported."""
    seen = [figure for name in ("peak_memory_gib", "peak_reserved_gib") if (figure := reported(run, name))]
    return max(seen, default=None)


def check_utilisation(pairs: Sequence[Pair], level: float, next_level: float | None = None) -> Check:
    """Whether the card was busier than with the baseline (NVML's share of time in which a kernel ran)."""
    both = [(p.baseline.last, p.winner.last) for p in pairs]
    seen = [
        (a.gpu_util_pct, b.gpu_util_pct)
        for a, b in both
        if a is not None and b is not None and a.gpu_util_pct is not None and b.gpu_util_pct is not None
    ]
    shortest_s = min((min(p.baseline.time_s, p.winner.time_s) for p in pairs), default=0.0)
    if seen and shortest_s < MIN_WATCHED_S:
        return Check(key="utilisation", outcome=Outcome.NOT_MEASURABLE, seen=TooShort(time_s=shortest_s))
    if not pairs:
        return undecided("utilisation", NoPair())
    if not seen:
        return Check(key="utilisation", outcome=Outcome.NOT_MEASURABLE, seen=NoUtilisation())
    before, after = fmean(a for a, _ in seen), fmean(b for _, b in seen)
    change = PairedMean.of([a - b for a, b in seen])
    outcome, needed = judged(change, 0.0, level, next_level)
    is_saturated = after >= SATURATED_PCT
    return Check(
        key="utilisation",
        outcome=Outcome.PASSED if is_saturated else outcome,
        seen=Utilisation(baseline_pct=before, winner_pct=after, is_saturated=is_saturated),
        test=PairedTTest(level=level, num_pairs=len(seen)),
        figures={"gpu_util_pct": after, "baseline_gpu_util_pct": before, "num_pairs": len(seen)},
        pairs_needed=None if is_saturated else needed,
    )


def check_limits(pairs: Sequence[Pair], goal: Goal) -> Check:
    """Whether the means of the pairs keep every limit of the study; undecided where one was not reported."""
    if not pairs:
        return undecided("limits", NoPair())
    baseline = Estimate(records=tuple(pair.baseline for pair in pairs))
    winner = Estimate(records=tuple(pair.winner for pair in pairs))
    breaches = goal.breaches(winner, baseline)
    measured = tuple(breach for breach in breaches if breach.is_measured)
    if not breaches:
        kept = LimitsKept(num_runs=_num_reported(pairs, goal))
        return Check(key="limits", outcome=Outcome.PASSED, seen=kept)
    if measured:
        return Check(key="limits", outcome=Outcome.FAILED, seen=LimitsNotKept(breaches=measured))
    return undecided("limits", LimitsNotKept(breaches=breaches))


def _num_reported(pairs: Sequence[Pair], goal: Goal) -> int:
    """Runs of the winner that reported what a limit is on, of the limit that fewest reported."""
    return min(sum(reported(p.winner, limit.metric) is not None for p in pairs) for limit in goal.limits)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Failed if one failed, else undecided if one is, else passed; what cannot be measured does not count."""
    for outcome in (Outcome.FAILED, Outcome.UNDECIDED):
        if outcome in outcomes:
            return outcome
    return Outcome.PASSED
