"""States what a study found in one sentence: the answer, or why there is none."""

from __future__ import annotations

from tuner.certificate.conclusion import Conclusion, StudyOutcome
from tuner.certificate.speedup import Speedup
from tuner.core.amount import amount
from tuner.core.estimate import Estimate
from tuner.core.goal import Objective
from tuner.core.recommend import LEAST_GAIN, Recommendation, is_better, misses_target
from tuner.report.certificate import findings_text, verdict_sentence
from tuner.report.changes import changes_caution
from tuner.report.check import breach_text
from tuner.report.start import start_caution
from tuner.report.text import quality, spread
from tuner.runs.result import RunResult


def sentence(result: RunResult) -> str:
    """Returns the finding of a run, followed by the certificate's verdict if there is one."""
    certificate = result.conclusion.certificate
    return finding(result) + (f" {verdict_sentence(certificate)}" if certificate else "")


def finding(result: RunResult) -> str:
    """Returns the finding as one sentence; it says so if the run failed, was interrupted or has not ended.

    Before it, that the untrained start already meets the target, where it does; after it, which changes of
    what is measured were accepted.
    """
    caution = start_caution(result.conclusion.start) if result.is_conclusive else ""
    said = (caution, _finding(result), changes_caution(result.provenance))
    return " ".join(part for part in said if part)


def _finding(result: RunResult) -> str:
    found = "Nothing is recommended: what the trials found could not be worked out."
    if result.is_conclusive:
        found = conclusion_text(result.conclusion)
    if result.failure:
        return f"The run failed ({result.failure}); so far: {found}"
    if not result.has_ended:
        return f"This run has not ended; so far: {found}"
    early = f"Interrupted by {result.interrupted_by}; so far: " if result.interrupted_by else ""
    return early + found


def conclusion_text(conclusion: Conclusion) -> str:
    """Returns the outcome as one sentence; of a certificate it says only whether there is one."""
    match conclusion.outcome:
        case StudyOutcome.RECOMMENDED:
            assert conclusion.recommendation is not None  # present exactly then
            said = _recommended(conclusion, conclusion.recommendation)
        case StudyOutcome.NO_BASELINE:
            said = _no_baseline(conclusion)
        case StudyOutcome.TARGET_NOT_MET:
            said = _not_met(conclusion)
        case StudyOutcome.KEEP_BASELINE:
            said = _keep_baseline(conclusion)
    simulated = "Simulated, nothing was measured. " if conclusion.is_simulated else ""
    return simulated + said + _on_spent(conclusion)


def _on_spent(conclusion: Conclusion) -> str:
    """Reports the certificate of a configuration that is no longer recommended, and says how to continue."""
    spent, found = conclusion.spent, conclusion.recommendation
    if spent is None:
        return ""
    pairs = f"{spent.num_run} pair{'' if spent.num_run == 1 else 's'}"
    num_alone = spent.num_runs - spent.num_run
    alone = f" and {num_alone} further run{'' if num_alone == 1 else 's'}" if num_alone else ""
    said = (
        f" The certificate's {pairs}{alone} went to {spent.config}, which was recommended when they began; "
        f"it is no longer recommended. Those {'runs' if alone else 'pairs'} show: {spent.verdict}; "
        f"{findings_text(spent)}"
    )
    if found is None:
        return said
    certified = f"A new run would certify {found.estimate.config}"
    return f"{said} {certified}: --warm-start keeps what this one learned."


def speedup_text(speedup: Speedup) -> str:
    """Returns a speed-up with its interval: `3.88x [3.60, 4.19]`."""
    has_none = speedup.low is None or speedup.high is None
    return f"{speedup.ratio:.2f}x" + ("" if has_none else f" [{speedup.low:.2f}, {speedup.high:.2f}]")


def speedup_basis(speedup: Speedup) -> str:
    """Names the runs behind a speed-up: "12 fresh pairs", "means of 3 and 5 runs" (the baseline's first)."""
    theirs, mine = speedup.num_baseline, speedup.num_recommended
    if speedup.is_paired:
        return f"{mine} fresh pairs"
    return "one run of each" if theirs == mine == 1 else f"means of {theirs} and {mine} runs"


_VERB = {
    Objective.TIME: "takes",
    Objective.TIME_TO_TARGET: "stays under the target after",
    Objective.ENERGY: "uses",
}
_AGAINST = {
    Objective.TIME: "faster than the baseline",
    Objective.TIME_TO_TARGET: "sooner than the baseline",
    Objective.ENERGY: "less energy than the baseline",
}


def _recommended(conclusion: Conclusion, found: Recommendation) -> str:
    goal, baseline, best = conclusion.goal, conclusion.baseline, found.estimate
    objective, room = goal.objective, goal.metric.room_pct(found.margin_pct)
    mine = amount(found.value, objective, is_censored=goal.is_censored(best, baseline))
    seen = quality(best, goal.metric) + spread(best, goal.metric, " +- ")
    time = "" if objective is Objective.TIME else f" in {best.time_s:.2f} s"
    kept = "".join(f", {limit.metric} {limit.figure(best):.4g} within {limit.text}" for limit in goal.limits)
    return (
        f"Recommended: {best.config} {_VERB[objective]} {mine}, {_against_baseline(conclusion, found)}, "
        f"at {seen}{time}, {room:.1f} %{goal.metric.of_what} within the target {goal.target.text}{kept}; "
        f"{_runs_text(best, baseline)}" + ("." if conclusion.certificate else ": evidence, no certificate.")
    )


def _against_baseline(conclusion: Conclusion, found: Recommendation) -> str:
    goal, baseline, speedup = conclusion.goal, conclusion.baseline, conclusion.speedup
    if found.speedup is None or speedup is None or baseline is None:
        return f"where the baseline cannot run ({conclusion.rows['baseline'].trial.reason})"
    is_censored = goal.is_censored(baseline, baseline)
    least = "at least " if is_censored else ""
    theirs = amount(found.speedup * found.value, goal.objective, is_censored=is_censored)
    against = f"{least}{speedup_text(speedup)} {_AGAINST[goal.objective]}"
    basis, out = speedup_basis(speedup), ""
    if misses_target(baseline, goal.target):
        out = f"it misses the target at {quality(baseline, goal.metric)}"
        if speedup.ratio <= 1.0:
            against = f"{least}{speedup_text(speedup)} against the baseline"
    if speedup.is_paired:
        return f"{against} on {basis}" + (f" ({out})" if out else "")
    return f"{against}'s {theirs} ({basis}{'; ' if out else ''}{out})"


def _keep_baseline(conclusion: Conclusion) -> str:
    goal, best, baseline = conclusion.goal, conclusion.best_measured, conclusion.baseline
    assert best is not None  # without either it is another outcome
    assert baseline is not None
    value, to_beat = goal.value(best, baseline), goal.value(baseline, baseline)
    assert to_beat is not None
    theirs = amount(to_beat, goal.objective, is_censored=goal.is_censored(baseline, baseline))
    if misses_target(baseline, goal.target):
        mine = "" if value is None else f" ({amount(value, goal.objective)})"
        return (
            f"Nothing is recommended: {best.config} met {goal.text} at {quality(best, goal.metric)}{mine}, "
            "but it is not yet certain to; "
            f"the baseline misses the target at {quality(baseline, goal.metric)}."
        )
    if best.config != baseline.config and value is not None and value < to_beat:
        verb = "took" if goal.objective is Objective.TIME else _VERB[goal.objective]
        counts = [len(goal.values(estimate, baseline)) for estimate in (baseline, best)]
        within = f"but the difference is within the error of {counts[0]} and {counts[1]} runs."
        if value >= to_beat * (1 - LEAST_GAIN):
            within = f"but less than {100 * LEAST_GAIN:.0f} % may be luck, and is no reason to change."
        unsure = f"but it is not yet certain to meet {goal.target.text}."
        return (
            f"Keep the baseline ({baseline.config}): {best.config} {verb} "
            f"{amount(value, goal.objective)} against {theirs} at {quality(best, goal.metric)}, "
            + (unsure if is_better(best, baseline, goal) else within)
        )
    return (
        f"Keep the baseline ({baseline.config}): no other configuration that was measured meets "
        f"{goal.text} and is {goal.objective.better} than its {theirs}."
    )


def _runs_text(best: Estimate, baseline: Estimate | None) -> str:
    """Says how many seeds the figures rest on, and whether others disturbed the runs."""
    disturbed = [e for e in (best, baseline) if e is not None and e.is_contended]
    where = " on a contended machine, so that times are upper bounds" if disturbed else ""
    if len(best.seeds) == 1:
        return f"measured once, with seed {best.seeds[0]}{where}"
    paired = baseline is not None and baseline.seeds == best.seeds
    pair = ", the baseline with the same ones" if paired else ""
    return f"measured with {len(best.seeds)} seeds{pair}{where}"


def _no_baseline(conclusion: Conclusion) -> str:
    goal, row = conclusion.goal, conclusion.rows.get("baseline")
    if row is None:
        why = "was not run"
    elif row.estimate is not None:
        why = f"did not report {goal.objective}"
    else:
        why = f"was not measured ({row.trial.reason or row.trial.state})"
    return (
        f"Nothing is recommended: the baseline {why}, so there is nothing to be {goal.objective.better} than."
    )


def _not_met(conclusion: Conclusion) -> str:
    goal, baseline, row = conclusion.goal, conclusion.baseline, conclusion.rows.get("nearest_miss")
    miss = row.estimate if row else conclusion.best_measured
    if miss is None:
        return f"Nothing is recommended: none of {conclusion.num_trials} trials ran to its full budget."
    bound = goal.target.threshold(baseline.nrmse if baseline else None)
    metric, gap = goal.metric, ""
    if bound and miss.nrmse > bound:
        over_pct = -metric.room_pct(100 * (1 - miss.nrmse / bound))
        gap = f" ({over_pct:.1f} %{metric.of_what} {'short' if metric.is_maximized else 'over'})"
    broken = "".join(f"; its {breach_text(breach)}" for breach in goal.breaches(miss, baseline))
    return (
        f"Nothing is recommended: no configuration met {goal.text}; "
        f"the nearest miss is {miss.config} with {quality(miss, metric)}{gap} in {miss.time_s:.2f} s{broken}."
    )
