"""The table of all trials, and what its columns mean where they are not figures of a report.

Those have the names and meanings of `tuner.core.measurement.Measurement`.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from tuner.core.goal import TimeToTarget
from tuner.core.metric import Metric
from tuner.core.recommend import baseline_estimate
from tuner.core.trial import TrialRecord
from tuner.report.changes import predating
from tuner.runs.result import RunResult

COLUMNS = {
    "trial_id": "Ascending in the order of asking.",
    "purpose": "`baseline`, `guide`, `search`, `replicate` (a known configuration with a further seed) or "
    "`certify`.",
    "state": "`complete`: it ran to its full budget; `stopped` early by the rule; `infeasible`: out of "
    "memory or not finite; `failed`: an error, or lost; `running`.",
    "batch_size": "Samples per batch.",
    "micro_batch": "Samples per forward and backward pass.",
    "num_taus": "Noise levels per sample.",
    "accum_steps": "Batches per optimizer step.",
    "seed": "Of the training.",
    "num_epochs": "The full budget.",
    "projected_time_s": "`time_s` at full budget: measured when all epochs ran, else mean epoch time times "
    "`num_epochs`; 0 before the first epoch.",
    "censored": "Whether the trial was stopped early, so that its full-budget figures are projections and it "
    "cannot win.",
    "time_to_target_s": "Training until NRMSE, or the study's own metric, meets the target from then to the "
    "end, whole epochs.",
    "time_to_target_censored": "Whether it never did, so that `time_to_target_s` is a lower bound.",
    "constraint": "What an infeasible trial broke: `memory` or `finite`.",
    "reason": "Why it was stopped, is infeasible or failed.",
    "before_changes": "Whether changes of what is measured were accepted after it (`--accept-changes`); "
    "empty if not.",
}
"""Name and meaning. Parameters that only a study names have a column of their own, after `accum_steps`."""


def trials_csv(result: RunResult) -> str:
    """Returns `trials_table` as CSV, of which a spreadsheet takes no text for a formula."""
    columns, rows = trials_table(result)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _as_text(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _as_text(value: Any) -> Any:
    """The value; text that a spreadsheet would calculate begins with an apostrophe (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def trials_table(result: RunResult) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns, and a row a trial; figures of one that did not run to its full budget are marked censored.

    The quality figure stands under its own name.
    """
    records, baseline = result.records, baseline_estimate(result.records)
    metric = result.study.metric
    names = sorted({name for record in records for name in dict(record.config.extra)})
    goal = result.study.goal
    earlier = predating(records, result.provenance)
    rows = [
        _row(record, goal.reached_by(record, baseline), metric)
        | {"before_changes": record.trial_id in earlier or None}
        for record in records
    ]
    figures = (metric.name if name == "nrmse" else name for name in _FIGURES)
    return ["trial_id", "purpose", "state", *_PARAMETERS, *names, *figures], rows


_FROM_LAST = (
    "setup_time_s",
    "warmup_time_s",
    "evaluate_time_s",
    "cpu_time_s",
    "load_average",
    "checkpoint_time_s",
    "data_wait_s",
    "step_time_median_s",
    "step_time_mad_s",
    "contended",
    "contended_reason",
    "peak_reserved_gib",
    "num_alloc_retries",
    "gpu_util_pct",
    "gpu_memory_gib",
    "power_w",
    "energy_j",
    "temperature_c",
    "sm_clock_mhz",
    "device",
)
_PARAMETERS = ("batch_size", "micro_batch", "num_taus", "accum_steps")
_FIGURES = (
    "seed",
    "epoch",
    "num_epochs",
    "nrmse",
    "time_s",
    "projected_time_s",
    "censored",
    "time_to_target_s",
    "time_to_target_censored",
    "peak_memory_gib",
    *_FROM_LAST,
    "constraint",
    "reason",
    "before_changes",
)


def _row(record: TrialRecord, reached: TimeToTarget | None, metric: Metric) -> dict[str, Any]:
    last = record.last
    return {
        "trial_id": record.trial_id,
        "purpose": record.purpose.value,
        "state": record.state.value,
        **record.config.as_dict(),
        "seed": record.seed,
        "epoch": record.epoch,
        "num_epochs": record.num_epochs,
        metric.name: metric.newest(record),
        "time_s": record.time_s,
        "projected_time_s": record.projected_time_s,
        "censored": record.is_censored,
        "time_to_target_s": reached.seconds if reached else None,
        "time_to_target_censored": reached.is_censored if reached else None,
        "peak_memory_gib": record.peak_memory_gib or None,
        **({name: getattr(last, name) for name in _FROM_LAST} if last else {}),
        "constraint": record.constraint,
        "reason": record.reason,
    }
