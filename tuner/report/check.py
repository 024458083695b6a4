"""A check of a certificate, or a claim of the guide, in words: its title, what was seen, its test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tuner.certificate import Check
from tuner.certificate.audit import Claim, Promise
from tuner.certificate.checks import MIN_HEADROOM_PCT, MIN_WATCHED_S, SATURATED_PCT
from tuner.certificate.rounds import Disturbance
from tuner.certificate.seen import (
    DisturbedPairs,
    DivergedRuns,
    Gain,
    LimitsKept,
    LimitsNotKept,
    NoEpoch,
    NoPair,
    NotJudged,
    NoUtilisation,
    NrmseChange,
    OutOfMemory,
    PeakMemory,
    Seen,
    TooFewPairs,
    TooShort,
    Utilisation,
)
from tuner.core.certificate_terms import Terms
from tuner.core.goal import Goal, Objective
from tuner.core.limits import Breach
from tuner.core.metric import NRMSE, Metric


def check_title(key: str, goal: Goal, terms: Terms) -> str:
    """Returns the statement that a check tests, in the guide's words; `key` is the key of the check."""
    objective = goal.objective
    what = "Training time" if objective is Objective.TIME else objective.value
    return {
        "utilisation": "GPU utilisation increased",
        "time": f"{what} decreased",
        "nrmse": f"{goal.metric.label} unchanged within {_margin(goal, terms)}, and {goal.target.text}",
        "memory": "No out-of-memory error",
        "limits": " and ".join(limit.text for limit in goal.limits),
    }[key]


def seen_text(seen: Seen, goal: Goal, terms: Terms) -> str:  # noqa: PLR0911 - one return for each kind
    """Returns the finding of a check as one sentence without its full stop.

    Args:
        seen: By a check.
        goal: The study's goal.
        terms: The terms of the certificate.
    """
    match seen:
        case NoPair():
            return "no pair was run"
        case TooFewPairs():
            return f"{seen.num_pairs} pairs are too few"
        case NotJudged():
            were = "pairs were" if seen.num_run > 1 else "pair was"
            alone = f", and {seen.num_alone} of the recommended configuration alone" if seen.num_alone else ""
            return f"not judged yet, {seen.num_run} {were} run so far{alone}"
        case DisturbedPairs() | Gain():
            return _objective_text(seen)
        case DivergedRuns():
            return f"{seen.num_diverged} of {seen.num_runs} runs diverged"
        case NrmseChange():
            return _quality_text(seen, goal, terms)
        case NoEpoch() | OutOfMemory() | PeakMemory():
            return _memory_text(seen)
        case NoUtilisation() | TooShort() | Utilisation():
            return _utilisation_text(seen)
        case LimitsKept():
            return f"kept by the mean of {seen.num_runs} runs"
        case LimitsNotKept():
            return "; ".join(map(breach_text, seen.breaches))


def _margin(goal: Goal, terms: Terms) -> str:
    return f"{terms.nrmse_margin_pct:g} %{goal.metric.of_what}"


def _quality_text(seen: NrmseChange, goal: Goal, terms: Terms) -> str:
    metric, target = goal.metric, goal.target.text
    change, worst = metric.change_pct(seen.change_pct), metric.change_pct(seen.upper_pct)
    margin = f"margin {terms.nrmse_margin_pct:g} %"
    of_runs = "" if seen.num_target_runs is None else f" of {seen.num_target_runs} runs"
    return (
        f"{metric.label} {change:+.2f} %, {metric.at_worst} {worst:+.2f} % ({margin}: {seen.margin}), "
        f"mean{of_runs} {metric.text(seen.mean_nrmse)} ({target}: {seen.target})"
    )


def quality_figures(figures: Mapping[str, float | None], metric: Metric) -> dict[str, float | None]:
    """The figures of the check of quality, on the models' scale, as those of the metric itself."""
    found = dict(figures)
    mean = found.pop("mean_nrmse", None)
    bounds = ("change_lower_pct", "change_upper_pct")
    for name in ("change_pct", *bounds):
        if (change := found.get(name)) is not None:
            found[name] = metric.change_pct(change)
    if metric.is_maximized and all(name in found for name in bounds):
        found |= dict(zip(bounds, (found[name] for name in reversed(bounds)), strict=True))
    if mean is not None:
        found[f"mean_{metric.name}"] = metric.value(mean)
    return {name: found[name] for name in _in_order(figures, metric)}


def _in_order(figures: Iterable[str], metric: Metric) -> list[str]:
    return [f"mean_{metric.name}" if name == "mean_nrmse" else name for name in figures]


def _objective_text(seen: DisturbedPairs | Gain) -> str:
    if isinstance(seen, Gain):
        interval = f"{100 * (1 - seen.level):.4g} % interval {seen.low:.2f} to {seen.high:.2f}"
        censored = f" at most: {seen.num_censored} of {seen.num_pairs} runs never reached the target"
        out = ", and the baseline misses the target: there is nothing to beat"
        said = f"{seen.ratio:.2f}x ({interval})" + (censored if seen.num_censored else "")
        return said + (out if seen.is_baseline_out else "")
    share = f"{seen.num_disturbed} of {seen.num_pairs} pairs"
    if seen.is_any_resumed:
        return f"{share} were disturbed or continued from a checkpoint"
    return f"the device was not idle, others disturbed {share}"


def _memory_text(seen: NoEpoch | OutOfMemory | PeakMemory) -> str:
    match seen:
        case NoEpoch():
            return "no run finished an epoch"
        case OutOfMemory():
            out = f"{seen.num_out_of_memory} of {seen.num_runs} runs ran out of memory"
            return f"{out}, {seen.num_alloc_retries} allocations were tried again"
        case PeakMemory(peak_gib=None):
            return f"no error in {seen.num_runs} runs, but memory was not reported"
        case PeakMemory():
            peak = f"peak {seen.peak_gib:.2f} GiB in {seen.num_runs - seen.num_silent} runs"
            if seen.headroom_pct is None:
                return f"{peak}, but the device does not say how much it has"
            free = f"{seen.headroom_pct:.0f} % head-room, {MIN_HEADROOM_PCT:g} % wanted"
            is_told = seen.headroom_pct >= MIN_HEADROOM_PCT and seen.num_silent
            silent = f"; {seen.num_silent} further runs did not report it" if is_told else ""
            return f"{peak} of {seen.memory_gib:.1f}: {free}{silent}"


def _utilisation_text(seen: NoUtilisation | TooShort | Utilisation) -> str:
    match seen:
        case NoUtilisation():
            return "no run reported the utilisation of a GPU"
        case TooShort():
            return f"a training of {seen.time_s:.2f} s is too short for NVML, {MIN_WATCHED_S:g} s would do"
        case Utilisation():
            saturated = f", from {SATURATED_PCT:g} % there is nothing to increase"
            both = f"{seen.winner_pct:.0f} %, the baseline {seen.baseline_pct:.0f} %"
            return both + (saturated if seen.is_saturated else "")


_TESTS = {
    "utilisation": "paired t-test, one-sided level {}",
    "time": "paired t-test of the logarithm of the ratio, one-sided level {}",
    "nrmse": "paired t-test of non-inferiority and t-test against the target, on logarithms, "
    "one-sided level {} each",
}


def how_tested(check: Check) -> str:
    """The test of a check with its level and number of pairs; empty when it is no statistical test."""
    if check.test is None:
        return ""
    if (target := check.test.target) is not None:
        return (
            f"paired t-test of non-inferiority, one-sided level {check.test.level:.4g}, n = "
            f"{check.test.num_pairs}, and t-test against the target, one-sided level {target.level:.4g}, "
            f"n = {target.num_runs}, both on logarithms"
        )
    return f"{_TESTS[check.key].format(f'{check.test.level:.4g}')}, n = {check.test.num_pairs}"


def breach_text(breach: Breach) -> str:
    """Says which limit is broken, and by which figure."""
    metric, text = breach.limit.metric, breach.limit.text
    if breach.value is None:
        return f"{metric} was not reported ({text})"
    if breach.threshold is None:
        return f"{metric} of the baseline was not reported ({text})"
    bound = f", that is {breach.threshold:.4g}" if breach.limit.is_relative else ""
    return f"{metric} {breach.value:.4g} breaks {text}{bound}"


def disturbance_text(disturbances: tuple[Disturbance, ...]) -> str:
    """Says which runs of a pair were disturbed, and how; empty if the pair is clean."""
    return "; ".join(map(_one_disturbance, disturbances))


def _one_disturbance(one: Disturbance) -> str:
    unexplained = ("no reason was given",) if one.is_contended and not one.reasons else ()
    resumed = ("it continued from a checkpoint",) if one.is_resumed else ()
    why = ", ".join((*one.reasons, *unexplained, *resumed))
    return f"{'baseline' if one.is_baseline else 'recommended'}: {why}"


def claim_text(claim: Claim, metric: Metric = NRMSE) -> str:
    """Returns a claim in the guide's own terms; what it says of NRMSE is held against the study's metric."""
    changes = f"{metric.label} {'falls' if metric.is_maximized else 'changes'} by less than {claim.high:g} %"
    match claim.promise:
        case Promise.SPEEDUP:
            return f"{claim.low:g}-{claim.high:g}x faster"
        case Promise.UTILISATION:
            return f"GPU utilisation {claim.low:g}-{claim.high:g} %"
        case Promise.NRMSE_CHANGE:
            return f"{changes}{metric.of_what}"
        case Promise.RECOMMENDED_NRMSE_CHANGE:
            return f"recommended: {changes}{metric.of_what}"


def _in_own_terms(claim: Claim, metric: Metric) -> Claim:
    """The claim with what was measured as changes of the metric itself."""
    if claim.mean is None:
        return claim
    bounds = claim.interval and sorted(map(metric.change_pct, claim.interval))
    interval = (bounds[0], bounds[1]) if bounds else None
    return replace(claim, mean=metric.change_pct(claim.mean), interval=interval)


_PATTERNS = {
    Promise.SPEEDUP: "{:.2f}x",
    Promise.UTILISATION: "{:.0f} %",
    Promise.NRMSE_CHANGE: "{:+.1f} %",
    Promise.RECOMMENDED_NRMSE_CHANGE: "{:+.1f} %",
}


def claim_seen_text(claim: Claim, metric: Metric = NRMSE) -> str:
    """Returns the measurement that a claim of the guide was compared with."""
    if claim.promise in (Promise.NRMSE_CHANGE, Promise.RECOMMENDED_NRMSE_CHANGE):
        claim = _in_own_terms(claim, metric)
    pattern = _PATTERNS[claim.promise]
    is_tested = claim.promise is Promise.RECOMMENDED_NRMSE_CHANGE
    if claim.mean is None:
        return f"{claim.num} pairs are too few" if is_tested else "not measured"
    mean = pattern.format(claim.mean)
    if claim.interval is None:
        return f"{mean}, once"
    low, high = map(pattern.format, claim.interval)
    if is_tested:
        test = f"paired t-test, one-sided level {claim.level:.4g}, n = {claim.num}"
        return f"{mean}, at least {low}, at most {high}; {test}"
    return f"{mean} [{low}, {high}], n = {claim.num}"
