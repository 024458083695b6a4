"""The entrance for what stages report: everything that the inside assumes of a report is checked here, once.

`Measurement.from_dict` checks a report by itself; here its quality figure is put on the models' scale, and it
is held against the trial that it is of: its epochs are in order and no more than were asked for, its clock
rises and is not ahead of the wall clock, it comes from the device of the run, and the trial has trained.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from foundation.one_line import one_line
from tuner.core.measurement import DIVERGED_NRMSE, Measurement, Status, real
from tuner.core.metric import DEFAULT_NAME, NRMSE, Metric
from tuner.core.trial import TrialRecord
from tuner.core.untrained import why_not_trained
from tuner.errors import ReportError, WrongDeviceError

MAX_CLOCK_RATIO = 2.0
"""A stage's clock may claim this many times the wall-clock seconds since its trial was asked for, at most."""

CLOCK_SLACK_S = 1.0
"""Seconds that a stage's clock may be ahead of ours in addition."""


def admit(
    values: Mapping[str, Any],
    record: TrialRecord,
    *,
    metric: Metric = NRMSE,
    device: str = "",
    wall_s: float | None = None,
    starts: Collection[float] = (),
) -> Measurement:
    """Reads a report of a running trial; one that goes on from a checkpoint is marked as resumed.

    The last report of a trial that did not train has status nan: its figures are not those of a training.

    Args:
        values: The values, as the stage returned them.
        record: The trial, as far as it was heard.
        metric: The study's quality figure, under whose name the report has it.
        device: Name of the device that the run measures; empty if any will do.
        wall_s: Wall-clock seconds since the trial was asked for; None if unknown.
        starts: NRMSEs of untrained starts that other trials measured, for one that did not measure its own.

    Raises:
        WrongDeviceError: The report is of another device than the run's.
        ReportError: Something in it cannot be. The trial has failed.
    """
    report = Measurement.from_dict(on_scale(values, metric))
    if device and report.device and report.device != device:
        raise WrongDeviceError(f"the trial ran on {report.device}, but this run measures {device}")
    record = record.awaiting(report)
    if record.from_epoch:
        report = replace(report, resumed=True)
    _check_epoch(report, record)
    _check_clock(report, record, wall_s)
    return _trained(report, record, starts, metric)


def _trained(
    report: Measurement, record: TrialRecord, starts: Collection[float], metric: Metric
) -> Measurement:
    if report.status is not Status.OK or report.epoch < record.num_epochs:
        return report
    after = record.observed(report)
    own = after.start_nrmse
    why = why_not_trained(after.nrmse_curve, starts if own is None else [own], metric)
    return replace(report, status=Status.NAN, nrmse=math.nan, error=why) if why else report


def on_scale(values: Mapping[str, Any], metric: Metric) -> dict[str, Any]:
    """Replaces the study's own figure by its place on the models' scale; keeps it beside that if they differ.

    Raises:
        ReportError: A report of an epoch that went well lacks the figure, or it is not one of its range.
    """
    rest = {name: value for name, value in values.items() if name != "reported_quality"}
    if metric == NRMSE:
        return rest
    if (start := rest.get("start_nrmse")) is not None:
        rest["start_nrmse"] = metric.on_scale(real("start_nrmse", start))
    told, is_ok = rest.pop(metric.name, None), rest.get("status") == Status.OK
    if is_ok and metric.name not in values:
        raise ReportError(f"the stage's report lacks {metric.name}.", _how_to_report(metric, values))
    value = math.nan if told is None else real(metric.name, told)
    if is_ok and not abs(value) < DIVERGED_NRMSE:  # NaN included
        return rest | {"status": Status.NAN, "error": f"{metric.label} is {value:g}", DEFAULT_NAME: math.nan}
    if rest.get("status") == Status.NAN and not rest.get("error"):
        rest["error"] = f"loss or {metric.label} is not finite"
    if is_ok and metric.is_identity and value <= 0:
        raise ReportError(
            f"the stage reported {metric.name}={value!r}, which must be more than 0.",
            "set metric.range: any in the study, for a figure that may be 0 or below.",
        )
    own = {} if metric.is_identity or not math.isfinite(value) else {"reported_quality": value}
    return rest | {DEFAULT_NAME: metric.on_scale(value)} | own


def _how_to_report(metric: Metric, values: Mapping[str, Any]) -> str:
    if DEFAULT_NAME in values:
        return f"report it as {metric.name}, not as {DEFAULT_NAME}; or leave metric out of the study."
    return f"return {metric.name} from every train() call; see MeasuredTrainable."


def _check_epoch(report: Measurement, record: TrialRecord) -> None:
    least = record.epoch + 1 if report.status is Status.OK else record.epoch
    if report.epoch > record.num_epochs:
        epoch = one_line(str(report.epoch), 40)
        raise ReportError(
            f"the stage reported epoch {epoch} of a trial of {record.num_epochs} epochs.",
            "make it train the number of epochs it is asked for, and report each once.",
        )
    if report.epoch < least:
        what = "again" if report.epoch == record.epoch else f"after epoch {record.epoch}"
        raise ReportError(
            f"the stage reported epoch {report.epoch} {what}.", "report each epoch once, in order."
        )


def _check_clock(report: Measurement, record: TrialRecord, wall_s: float | None) -> None:
    before_s = record.time_s
    is_rising = report.time_s > before_s if report.status is Status.OK else report.time_s >= before_s
    if record.measurements and not is_rising:
        raise ReportError(
            f"the stage reported time_s={report.time_s:g} after {before_s:g}: its clock does not rise.",
            "report the training seconds of all epochs so far, not those of one epoch.",
        )
    own_s = report.time_s - next((m.time_s for m in record.measurements if m.epoch == record.from_epoch), 0.0)
    if wall_s is not None and own_s > MAX_CLOCK_RATIO * wall_s + CLOCK_SLACK_S:
        raise ReportError(
            f"the stage reported time_s={own_s:g} only {wall_s:.3g} s after its start.",
            "report seconds, and only those of this trial.",
        )
