"""Records in words: one trial in a line, the closing table, durations. Plain text, no control characters."""

from __future__ import annotations

from tuner.certificate.conclusion import Conclusion, Row
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal
from tuner.core.metric import NRMSE, Metric
from tuner.core.study_sections import StageSpec
from tuner.core.trial import TrialRecord, TrialState
from tuner.core.workload import Workload, change_pct, workload
from tuner.report.columns import aligned


def duration(seconds: float) -> str:
    """Returns seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def trial_line(record: TrialRecord, metric: Metric = NRMSE) -> str:
    """Returns one line with a trial and what is known of it."""
    return f"{record.trial_id} {record.state:<10} {record.config}: {figures(record, metric)}"


def figures(record: TrialRecord, metric: Metric = NRMSE) -> str:
    """Says what is known of a trial: its figures, or why it ended."""
    match record.state:
        case TrialState.COMPLETE:
            return f"{record.time_s:.2f} s, {newest(record, metric)}"
        case TrialState.RUNNING:
            at = f"epoch {record.epoch}/{record.num_epochs}"
            return f"{at}, {newest(record, metric)}" if record.epoch else at
        case TrialState.STOPPED:
            return f"after epoch {record.epoch}/{record.num_epochs}: {record.reason}"
        case _:
            return record.reason


def newest(record: TrialRecord, metric: Metric) -> str:
    """Returns the quality figure of a trial's newest report, with its name."""
    return f"{metric.label} {metric.value_text(metric.newest(record))}"


def quality(estimate: Estimate, metric: Metric) -> str:
    """Returns the mean quality figure of a configuration, with its name."""
    return f"{metric.label} {metric.text(estimate.nrmse)}"


def spread(estimate: Estimate, metric: Metric, sign: str) -> str:
    """Returns how far the quality of runs differs, after a sign such as ` ± `; empty for a single run."""
    sd = metric.sd(estimate.records)
    return "" if sd is None else f"{sign}{metric.value_text(sd) if metric.is_default else f'{sd:.3g}'}"


TITLES = {
    "baseline": "baseline",
    "guide": "guide's row",
    "recommended": "recommended",
    "nearest_miss": "nearest miss",
}


def result_table(conclusion: Conclusion) -> str:
    """The closing table: time_s and the quality figure are means over the runs of a configuration.

    Another objective and limited figures have columns of their own; the speed-up is in the objective
    and of all runs, which is said where the certificate has another.
    """
    return aligned(result_rows(conclusion), are_figures=True) or "no trial was run"


def result_rows(conclusion: Conclusion) -> list[list[str]]:
    """The cells of `result_table`, its header first; none before any trial."""
    if not conclusion.rows:
        return []
    names = list(next(iter(conclusion.rows.values())).trial.config.as_dict())
    extra = _extra_columns(conclusion.goal)
    is_paired = conclusion.speedup is not None and conclusion.speedup.is_paired
    speedup = "speed-up, all runs" if is_paired else "speed-up"
    header = ["", *names, "seeds", "time_s", conclusion.goal.metric.name, "peak_memory_gib", *extra, speedup]
    body = [
        [
            TITLES[title],
            *(str(row.trial.config.as_dict()[name]) for name in names),
            *_measured_cells(row, conclusion),
        ]
        for title, row in conclusion.rows.items()
    ]
    return [header, *body]


def _extra_columns(goal: Goal) -> list[str]:
    """Returns the columns that a study needs beside the table's own."""
    wanted = [str(goal.objective), *(limit.metric for limit in goal.limits)]
    return [name for name in dict.fromkeys(wanted) if name not in ("time_s", "peak_memory_gib")]


def _measured_cells(row: Row, conclusion: Conclusion) -> list[str]:
    measured, goal, baseline = row.estimate, conclusion.goal, conclusion.baseline
    extra = _extra_columns(goal)
    if measured is None:
        memory = f"{row.trial.peak_memory_gib:.3f}" if row.trial.peak_memory_gib else "-"
        return ["-", str(row.trial.state), "-", memory, *("-" for _ in extra), "-"]
    memory = f"{measured.peak_memory_gib:.3f}" if measured.peak_memory_gib else "-"
    figures = [f"{measured.time_s:.2f}", goal.metric.text(measured.nrmse)]
    more = [_extra_cell(name, measured, conclusion) for name in extra]
    value, theirs = goal.value(measured, baseline), goal.value(baseline, baseline) if baseline else None
    speedup = f"{theirs / value:.2f}x" if value and theirs else "-"
    return [str(len(measured.seeds)), *figures, memory, *more, speedup]


def _extra_cell(name: str, measured: Estimate, conclusion: Conclusion) -> str:
    goal, baseline = conclusion.goal, conclusion.baseline
    if name == goal.objective:
        value, more = goal.value(measured, baseline), ">" if goal.is_censored(measured, baseline) else ""
        return "-" if value is None else f"{more}{value:.2f}"
    limit = next(limit for limit in goal.limits if limit.metric == name)
    value = limit.figure(measured)
    return "-" if value is None else f"{value:.4g}{'!' if limit.breach(measured, baseline) else ''}"


def work_table(conclusion: Conclusion, stage: StageSpec) -> str:
    """The work of an epoch by the guide's cost mathematics, each count with its change."""
    return aligned(work_rows(conclusion, stage), are_figures=True)


def work_rows(conclusion: Conclusion, stage: StageSpec) -> list[list[str]]:
    """The cells of `work_table`, its header first; none before any trial."""
    if not conclusion.rows:
        return []
    rows = conclusion.rows.values()
    works = [workload(row.trial.config, stage) for row in rows]
    counts = ("num_forward_passes", "num_sample_evals", "num_optimizer_steps", "memory_units")
    header = ["per epoch", *counts, "effective_batch_size"]
    body = [
        [
            TITLES[title],
            *(_changed(*(_count(w, name) for w in (works[0], work))) for name in counts),
            str(work.config.effective_batch_size),
        ]
        for title, work in zip(conclusion.rows, works, strict=True)
    ]
    return [header, *body]


def _count(work: Workload, name: str) -> int:
    return work.num_optimizer_steps(1) if name == "num_optimizer_steps" else int(getattr(work, name))


def _changed(before: int, after: int) -> str:
    """A count and, where it differs, its change: `2,004 (-40 %)`."""
    change = f"{change_pct(before, after):+.0f}"
    return f"{after:,}" + (f" ({change} %)" if change not in ("+0", "-0") else "")


def probing_line(reason: str) -> str:
    """Says in one line why no more probes were asked for, and what that means."""
    return f"no more probes, so times are learnt from trainings alone: {reason}"
