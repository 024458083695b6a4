"""The guide's four checks ("Validation"), each as a test on pairs: time, NRMSE, memory, utilisation.

A check passes or fails when that is shown at the level of the terms, and is undecided otherwise; what the
device cannot measure is said to be so, and is never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from tuner.core.certificate.paired import PairedMean
from tuner.core.certificate.rounds import Pair
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal, Objective
from tuner.core.trial import TrialRecord, TrialState

MIN_HEADROOM_PCT = 5.0
"""Share of the device's memory that must stay free: fragmentation and other processes take some."""

SATURATED_PCT = 95.0
"""Mean utilisation from which there is nothing left to increase."""


MIN_WATCHED_S = 3.0
"""A shorter training is not watched well: NVML's figure is of the last 1/6 to 1 s, whatever ran in it."""


class Outcome(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    NOT_MEASURABLE = "not measurable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        key: `utilisation`, `time`, `nrmse`, `memory`, or `limits` where the study has some.
        title: What is to be true, in the guide's words.
        outcome: See `Outcome`.
        text: What was seen, in one sentence without its full stop.
        test: Its name, level and number of pairs; empty when it is no statistical test.
        figures: What the text holds, for programs.
        pairs_needed: Pairs that would probably decide it at the level of the next look, in all; see
            `PairedMean.pairs_needed`. None when it is decided, or when nothing can be said.
    """

    key: str
    title: str
    outcome: Outcome
    text: str
    test: str = ""
    figures: Mapping[str, float | None] = field(default_factory=dict)
    pairs_needed: int | None = None


def percent(log_ratio: float) -> float:
    """A change as percent, from the logarithm of a ratio."""
    return 100 * math.expm1(log_ratio)


def judged(
    seen: PairedMean, bound: float, level: float, next_level: float | None = None
) -> tuple[Outcome, int | None]:
    """Whether a mean lies under `bound`, and the pairs that would probably show it.

    Args:
        seen: The mean.
        bound: See above.
        level: Of the test.
        next_level: Of the test after more pairs; None: the same.
    """
    if seen.upper(level) < bound:
        return Outcome.PASSED, None
    if seen.lower(level) > bound:
        return Outcome.FAILED, None
    return Outcome.UNDECIDED, seen.pairs_needed(bound, next_level or level)


def undecided(key: str, title: str, text: str) -> Check:
    """A check for which there is nothing to go by."""
    return Check(key=key, title=title, outcome=Outcome.UNDECIDED, text=text)


def check_objective(
    pairs: Sequence[Pair], goal: Goal, level: float, next_level: float | None = None
) -> Check:
    """Whether the study's objective decreased: the training time, unless the study wants something else."""
    objective = goal.objective
    what = "Training time" if objective is Objective.TIME else objective.value
    key, title = "time", f"{what} decreased"
    clean = [pair for pair in pairs if pair.is_clean] if objective is not Objective.ENERGY else list(pairs)
    logs = [log for pair in clean if (log := _log_gain(pair, goal)) is not None]
    if len(logs) < 2:
        disturbed = len(pairs) - len(clean)
        if disturbed:
            text = f"the device was not idle, others disturbed {disturbed} of {len(pairs)} pairs"
            return undecided(key, title, text)
        return undecided(key, title, f"{len(logs)} pairs say too little")
    gain = PairedMean.of(logs)
    outcome, needed = judged(PairedMean(mean=-gain.mean, sd=gain.sd, num=gain.num), 0.0, level, next_level)
    low, high = (math.exp(bound(level / 2)) for bound in (gain.lower, gain.upper))
    share = f"{100 * (1 - level):.4g} %"
    return Check(
        key=key,
        title=title,
        outcome=outcome,
        text=f"{math.exp(gain.mean):.2f}x ({share} interval {low:.2f} to {high:.2f})",
        test=f"paired t-test of the logarithm of the ratio, one-sided level {level:.4g}, n = {gain.num}",
        figures={"ratio": math.exp(gain.mean), "ratio_low": low, "ratio_high": high, "num_pairs": gain.num},
        pairs_needed=needed,
    )


def _log_gain(pair: Pair, goal: Goal) -> float | None:
    """Logarithm of the baseline's objective over the winner's; None when it was not reported."""
    baseline, winner = (Estimate(records=(run,)) for run in (pair.baseline, pair.winner))
    before, after = goal.value(baseline, baseline), goal.value(winner, baseline)
    return None if not before or not after else math.log(before / after)


def check_nrmse(
    pairs: Sequence[Pair], goal: Goal, level: float, margin_pct: float, next_level: float | None = None
) -> Check:
    """Whether NRMSE is no worse than the baseline's by more than the margin, and within the target."""
    key, title = "nrmse", f"NRMSE unchanged within {margin_pct:g} %, and {goal.target.text}"
    if len(pairs) < 2:
        return undecided(key, title, f"{len(pairs)} pairs say too little")
    change = PairedMean.of([math.log(p.winner.nrmse / p.baseline.nrmse) for p in pairs])
    target = goal.target
    against = change if target.is_relative else PairedMean.of([math.log(p.winner.nrmse) for p in pairs])
    tests = (
        judged(change, math.log1p(margin_pct / 100), level, next_level),
        judged(against, math.log(target.bound), level, next_level),
    )
    outcomes = [outcome for outcome, _ in tests]
    mean = fmean(pair.winner.nrmse for pair in pairs)
    upper, lower = percent(change.upper(level)), percent(change.lower(level))
    return Check(
        key=key,
        title=title,
        outcome=worst(outcomes),
        text=f"NRMSE {percent(change.mean):+.2f} %, at most {upper:+.2f} % (margin {margin_pct:g} %: "
        f"{outcomes[0]}), mean {mean:.4f} ({target.text}: {outcomes[1]})",
        test="paired t-test of non-inferiority and t-test against the target, on logarithms, "
        f"one-sided level {level:.4g} each, n = {change.num}",
        figures={
            "change_pct": percent(change.mean),
            "change_lower_pct": lower,
            "change_upper_pct": upper,
            "sd_pct": 100 * change.sd,
            "mean_nrmse": mean,
            "num_pairs": change.num,
        },
        pairs_needed=max((needed for _, needed in tests if needed), default=None),
    )


def check_memory(runs: Sequence[TrialRecord], memory_gib: float | None) -> Check:
    """Whether the winner never ran out of memory, and leaves some free.

    Args:
        runs: All of the winner's, whatever they were for.
        memory_gib: Of the device; None when it is not known.
    """
    key, title = "memory", "No out-of-memory error"
    out = sum(run.state is TrialState.INFEASIBLE and run.constraint == "memory" for run in runs)
    retries = sum(run.last.num_alloc_retries or 0 for run in runs if run.last)
    peak_gib = max((_held_gib(run) for run in runs), default=0.0)
    figures = {
        "num_runs": len(runs),
        "num_out_of_memory": out,
        "num_alloc_retries": retries,
        "peak_gib": peak_gib,
        "memory_gib": memory_gib,
    }
    said = f"peak {peak_gib:.2f} GiB in {len(runs)} runs"
    if out or retries:
        text = f"{out} of {len(runs)} runs ran out of memory, {retries} allocations had to be tried again"
        return Check(key=key, title=title, outcome=Outcome.FAILED, text=text, figures=figures)
    if not runs or memory_gib is None or not peak_gib:
        return Check(
            key=key,
            title=title,
            outcome=Outcome.PASSED if runs else Outcome.UNDECIDED,
            text=f"none in {len(runs)} runs; memory was not reported, so head-room is not known"
            if not peak_gib
            else f"{said}; the device does not say how much it has, so head-room is not known",
            figures=figures,
        )
    free_pct = 100 * (1 - peak_gib / memory_gib)
    return Check(
        key=key,
        title=title,
        outcome=Outcome.PASSED if free_pct >= MIN_HEADROOM_PCT else Outcome.FAILED,
        text=f"{said} of {memory_gib:.1f}: {free_pct:.0f} % head-room, {MIN_HEADROOM_PCT:g} % wanted",
        figures=figures | {"headroom_pct": free_pct},
    )


def _held_gib(run: TrialRecord) -> float:
    """The most memory a run held: what its allocator reserved where that is known."""
    reserved = [m.peak_reserved_gib for m in run.measurements if m.peak_reserved_gib is not None]
    return max([run.peak_memory_gib, *reserved])


def check_utilisation(pairs: Sequence[Pair], level: float, next_level: float | None = None) -> Check:
    """Whether the card was busier than with the baseline (NVML's share of time in which a kernel ran)."""
    key, title = "utilisation", "GPU utilisation increased"
    both = [(p.baseline.last, p.winner.last) for p in pairs]
    seen = [
        (a.gpu_util_pct, b.gpu_util_pct)
        for a, b in both
        if a is not None and b is not None and a.gpu_util_pct is not None and b.gpu_util_pct is not None
    ]
    shortest_s = min((min(p.baseline.time_s, p.winner.time_s) for p in pairs), default=0.0)
    if seen and shortest_s < MIN_WATCHED_S:
        return Check(
            key=key,
            title=title,
            outcome=Outcome.NOT_MEASURABLE,
            text=f"a training of {shortest_s:.2f} s is too short for NVML, {MIN_WATCHED_S:g} s would do",
        )
    if not seen:
        return Check(
            key=key,
            title=title,
            outcome=Outcome.NOT_MEASURABLE if pairs else Outcome.UNDECIDED,
            text="no run reported the utilisation of a GPU" if pairs else "no pair was run",
        )
    before, after = fmean(a for a, _ in seen), fmean(b for _, b in seen)
    change = PairedMean.of([a - b for a, b in seen])
    outcome, needed = judged(change, 0.0, level, next_level)
    saturated = f", from {SATURATED_PCT:g} % there is nothing to increase"
    is_saturated = after >= SATURATED_PCT
    return Check(
        key=key,
        title=title,
        outcome=Outcome.PASSED if is_saturated else outcome,
        text=f"{after:.0f} %, the baseline {before:.0f} %" + (saturated if is_saturated else ""),
        test=f"paired t-test, one-sided level {level:.4g}, n = {len(seen)}",
        figures={"gpu_util_pct": after, "baseline_gpu_util_pct": before, "num_pairs": len(seen)},
        pairs_needed=None if is_saturated else needed,
    )


def check_limits(pairs: Sequence[Pair], goal: Goal) -> Check:
    """Whether the means of the pairs keep every limit of the study."""
    key, title = "limits", " and ".join(limit.text for limit in goal.limits)
    if not pairs:
        return undecided(key, title, "no pair was run")
    baseline = Estimate(records=tuple(pair.baseline for pair in pairs))
    winner = Estimate(records=tuple(pair.winner for pair in pairs))
    breaches = goal.breaches(winner, baseline)
    said = "; ".join(map(str, breaches)) or f"kept by the mean of {len(pairs)} runs"
    return Check(key=key, title=title, outcome=Outcome.FAILED if breaches else Outcome.PASSED, text=said)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Failed if one failed, else undecided if one is, else passed; what cannot be measured does not count."""
    for outcome in (Outcome.FAILED, Outcome.UNDECIDED):
        if outcome in outcomes:
            return outcome
    return Outcome.PASSED
