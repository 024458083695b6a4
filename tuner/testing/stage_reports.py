"""The clauses of a stage's contract that its reports alone can break."""

from __future__ import annotations

import math
import numbers
from itertools import pairwise
from typing import Any, get_args, get_type_hints

from foundation.quality_name import DEFAULT
from tuner.core.measurement import Measurement
from tuner.testing.clauses import Seen, clause
from tuner.testing.stage_case import Report, StageCase

_COUNTS = ("num_chunks", "num_sample_evals", "num_optimizer_steps")
_KINDS: dict[type, Any] = {bool: bool, int: numbers.Integral, float: numbers.Real, str: str}


def report_keys(quality: str = DEFAULT) -> dict[str, tuple[type, bool]]:
    """Type of every key of a report of an epoch that went well, and whether it may be None or left out.

    `status`, `error` and the like are `str`. Units are in the names, and in `Measurement`.

    Args:
        quality: Name of the quality figure.
    """
    known = get_type_hints(Measurement).items()
    hints = {quality if k == DEFAULT else k: hint for k, hint in known if k != "reported_quality"}
    keys = {"done": (bool, False), **{name: (hint, False) for name, hint in hints.items()}}
    optional = {name: (get_args(hint)[0], True) for name, hint in hints.items() if get_args(hint)}
    return keys | optional | {"status": (str, False)}


@clause("let nothing but out of memory and NaN end a trial, and choose params and options that have neither.")
def a_trial_runs_through_its_budget(case: StageCase) -> Seen:
    """Every report is ok."""
    bad = next((r for r in case.undisturbed if r.get("status", "ok") != "ok"), None)
    if bad is None:
        return None
    return f"epoch {bad.get('epoch')}: status {bad['status']!r}, error {bad.get('error')!r}"


@clause("report it from every train(); MeasuredTrainable does.", needs=[a_trial_runs_through_its_budget])
def every_report_has_every_key_with_a_value_of_its_type(case: StageCase) -> Seen:
    """Numbers are finite; an optional key may be None or left out."""
    keys = report_keys(case.quality)
    found = (_wrong_value(report, key, *keys[key]) for report in case.undisturbed for key in keys)
    return next((seen for seen in found if seen), None)


def _wrong_value(report: Report, key: str, kind: type, may_be_none: bool) -> Seen:
    if key not in report or report[key] is None:
        return None if may_be_none else f"{key} is {'None' if key in report else 'missing'}"
    value = report[key]
    is_right = isinstance(value, _KINDS[kind]) and (kind is bool or not isinstance(value, bool))
    if not is_right:
        return f"{key}={value!r} is not of type {kind.__name__}"
    return f"{key}={value!r} is not finite" if kind is float and not math.isfinite(value) else None


@clause(
    "report epoch 1, 2, ... num_epochs; or num_epochs at once, from a stage that cannot report in between.",
    needs=[a_trial_runs_through_its_budget],
)
def epochs_ascend_to_the_budget(case: StageCase) -> Seen:
    """Checks that epochs are numbered from 1 by 1."""
    epochs = [report.get("epoch") for report in case.undisturbed]
    whole = [list(range(1, case.num_epochs + 1)), [case.num_epochs]]
    return None if epochs in whole else f"epochs {epochs} of {case.num_epochs}"


@clause("set done in the report of the last epoch, and in no other.", needs=[a_trial_runs_through_its_budget])
def done_is_true_at_the_last_epoch_only(case: StageCase) -> Seen:
    """Ray goes on, or ends the trial, by it."""
    done = [bool(report.get("done")) for report in case.undisturbed]
    due = [False] * (len(done) - 1) + [True]
    return None if done == due else f"done {done} by epoch"


@clause(
    "measure the seconds of training, without set-up, warm-up, evaluation and checkpoints.",
    needs=[every_report_has_every_key_with_a_value_of_its_type],
)
def times_are_positive(case: StageCase) -> Seen:
    """Checks that an epoch takes time, and that what surrounds it never takes a negative time."""
    others = ("setup_time_s", "warmup_time_s", "evaluate_time_s", "cpu_time_s")
    for report in case.undisturbed:
        wrong = [key for key in ("time_s", "epoch_time_s") if report[key] <= 0]
        wrong += [key for key in others if report[key] < 0]
        if wrong:
            return f"epoch {report['epoch']}: {wrong[0]}={report[wrong[0]]}"
    return None


@clause(
    "report the sum since the first epoch as time_s, and this epoch's share of it as epoch_time_s.",
    needs=[every_report_has_every_key_with_a_value_of_its_type],
)
def epoch_times_add_up_to_time_s(case: StageCase) -> Seen:
    """The sum may differ by rounding."""
    total = 0.0
    for report in case.undisturbed:
        total += report["epoch_time_s"]
        if not math.isclose(report["time_s"], total, rel_tol=1e-6):
            return f"epoch {report['epoch']}: time_s={report['time_s']}, epoch_time_s sum to {total}"
    return None


@clause(
    "count work where it is done and report the sum since the first epoch, or 0 always when it is not known.",
    needs=[every_report_has_every_key_with_a_value_of_its_type],
)
def counts_are_sums_that_grow(case: StageCase) -> Seen:
    """An epoch may take no optimizer step, when accumulation crosses its end; it always has rows."""
    for key in _COUNTS:
        counts = [report[key] for report in case.undisturbed]
        grows = all(a <= b if key == "num_optimizer_steps" else a < b for a, b in pairwise([0, *counts]))
        if any(counts) and not grows:
            return f"{key}={counts} by epoch"
    return None


REPORT_CHECKS = (
    a_trial_runs_through_its_budget,
    every_report_has_every_key_with_a_value_of_its_type,
    epochs_ascend_to_the_budget,
    done_is_true_at_the_last_epoch_only,
    times_are_positive,
    epoch_times_add_up_to_time_s,
    counts_are_sums_that_grow,
)
