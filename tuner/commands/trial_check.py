"""`doctor --try`: one trial of the baseline up to its first report, told line by line.

Knows what a report says. What is the stage's own (a command line, lines of output) is told by the trial.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuner.commands.diagnosis import FAIL, OK, WARN, Diagnosis, mistake, told
from tuner.core.entrance import on_scale
from tuner.core.study import StudySpec
from tuner.core.untrained import Start, why_not_trained
from tuner.errors import ReportError, TunerError, split_fix
from tuner.report.start import meets_target_text

if TYPE_CHECKING:
    from tuner.ray_adapter.one_trial import OneTrial

_INFEASIBLE = {
    "oom": "memory ran out, or so its output says",
    "nan": "its figures are not those of a whole training",
}

_SAYS_IT_ALL = ("ScriptError", "MissingMetricError")
"""Exceptions whose text needs no name before it."""


def trial_diagnoses(study: StudySpec, timeout_s: float) -> Iterator[Diagnosis]:
    """Runs the baseline for one epoch and tells what was seen.

    Args:
        study: The study, whose stage is there.
        timeout_s: Seconds that set-up and the first report may take together.
    """
    from tuner.ray_adapter.one_trial import OneTrial

    try:
        trial = OneTrial(study)
    except TunerError as error:
        yield mistake("stage", error)
        return
    shown = ", ".join(f"{name}={value}" for name, value in study.baseline.as_dict().items())
    what = "probed, as the stage offers" if trial.is_probe else "up to its first report"
    seen = f"the baseline ({shown}) {what}, for {timeout_s:g} s at most (--try-timeout)"
    yield Diagnosis(name="try", level=OK, seen=seen)
    with trial:
        try:
            trial.prepare()
        except TunerError as error:
            yield mistake("prepare", error)
            return
        except Exception as error:
            yield _failure("prepare", error)
            return
        yield from _probe(study, trial, timeout_s) if trial.is_probe else _run(study, trial, timeout_s)


def _run(study: StudySpec, trial: OneTrial, timeout_s: float) -> Iterator[Diagnosis]:
    """Tells what runs before its report is waited for, and what was read whatever came of it."""
    until_s = time.monotonic() + timeout_s
    end = _failure_of(trial, trial.set_up, until_s, timeout_s)
    yield from (told(name, text) for name, text in trial.told("what_runs"))
    report: dict[str, Any] = {}
    if end is None:
        end = _failure_of(trial, lambda: report.update(trial.first_report()), until_s, timeout_s)
    yield from (told(name, text) for name, text in trial.told("what_was_read"))
    if end is not None:
        yield end
    else:
        yield from _report_diagnoses(study, report, trial.memory_source())


def _probe(study: StudySpec, trial: OneTrial, timeout_s: float) -> Iterator[Diagnosis]:
    """Tells what a probe of the baseline started and read, and what it found."""
    until_s, answer = time.monotonic() + timeout_s, dict[str, Any]()

    def ask() -> None:
        trial.set_up()
        answer.update(trial.first_report()["probe"][0])

    end = _failure_of(trial, ask, until_s, timeout_s)
    for method in ("what_runs", "what_was_read"):
        yield from (told(name, text) for name, text in trial.told(method))
    if end is not None:
        yield end
        return
    if answer["status"] != "ok":
        seen = f"infeasible: {_INFEASIBLE.get(answer['status'], answer['status'])}."
        fix = "give the study a baseline that can be trained, or mend what its output says."
        yield Diagnosis(name="trial", level=FAIL, seen=seen, fix=fix)
        return
    yield from (told(name, text) for name, text in trial.told("what_was_found"))
    epoch_s, num_epochs = answer["epoch_time_s"], study.stage.num_epochs
    seen = f"an epoch has about {epoch_s:.3g} s of steps, {num_epochs} epochs {num_epochs * epoch_s:.3g} s"
    yield Diagnosis(name="time", level=OK, seen=seen)
    yield _memory(answer, trial.memory_source())
    yield Diagnosis(name="trial", level=OK, seen="all its starts ended by themselves, without an error")


def _failure_of(
    trial: OneTrial, work: Callable[[], object], until_s: float, timeout_s: float
) -> Diagnosis | None:
    """Does the work; returns what went wrong with it, if anything."""
    from tuner.ray_adapter.one_trial import OutOfTimeError, at_most

    try:
        with at_most(max(1e-3, until_s - time.monotonic())):
            work()
    except OutOfTimeError:
        missing, fix = split_fix(trial.what_is_missing())
        seen = f"no report came within {timeout_s:g} s, so it was ended{f': {missing}' if missing else ''}."
        fix = f"{fix.rstrip('.')}; or, if" if fix else "if"
        return Diagnosis(
            name="trial",
            level=FAIL,
            seen=seen,
            fix=f"{fix} it only needs longer, --try-timeout SECONDS.",
        )
    except Exception as error:
        return _failure("trial", error)
    return None


def _failure(name: str, error: Exception) -> Diagnosis:
    """The failure for what a stage raised; the rest of its text quotes its output."""
    first, fix = split_fix((str(error).splitlines() or [""])[0])
    name_of_error = type(error).__name__
    kind = "" if name_of_error in _SAYS_IT_ALL else f"{name_of_error}: "
    return Diagnosis(name=name, level=FAIL, seen=f"{kind}{first}", fix=fix)


def _report_diagnoses(study: StudySpec, report: Mapping[str, Any], source: str) -> Iterator[Diagnosis]:
    status = report.get("status", "ok")
    if status != "ok":
        why, fix = split_fix(str(report.get("error")))
        seen = f"infeasible: {_INFEASIBLE.get(status, status)}: {why.rstrip('.')}."
        fix = fix or "give the study a baseline that can be trained, or mend what its output says."
        yield Diagnosis(name="trial", level=FAIL, seen=seen, fix=fix)
        return
    metric = study.metric
    try:
        scaled = on_scale(report, metric)
    except ReportError as error:
        yield mistake("report", error)
        return
    epoch, num_epochs = report["epoch"], study.stage.num_epochs
    whole = "the whole training" if epoch == num_epochs > 1 else f"epoch {epoch} of {num_epochs}"
    yield Diagnosis(name="report", level=OK, seen=f"{whole}: {metric.name} {report[metric.name]:.6g}")
    yield from _start_diagnoses(study, scaled)
    yield Diagnosis(name="time", level=OK, seen=_time(report, whole, num_epochs))
    yield _memory(report, source)
    if report.get("contended"):
        fix = "see that nothing else runs here: its times would be left out of comparisons."
        seen = f"it was disturbed: {report.get('contended_reason')}."
        yield Diagnosis(name="disturbed", level=WARN, seen=seen, fix=fix)
    ended = (
        "it ended by itself, without an error"
        if report.get("done")
        else "it was ended after its first report"
    )
    yield Diagnosis(name="trial", level=OK, seen=ended)


def _start_diagnoses(study: StudySpec, report: Mapping[str, Any]) -> Iterator[Diagnosis]:
    """What the untrained start says of the target and of the training; nothing if it was not measured.

    The report's figures are on the models' scale.
    """
    nrmse, epoch, num_epochs = report.get("start_nrmse"), report["epoch"], study.stage.num_epochs
    if nrmse is None or not 0 < nrmse < math.inf:
        return
    start = Start.at(nrmse, study.target, report["nrmse"] if epoch == num_epochs else None)
    caution = meets_target_text(start)
    why = why_not_trained({epoch: report["nrmse"]}, [nrmse], study.metric)
    if caution:
        yield Diagnosis(name="start", level=WARN, seen=caution, fix="lower the target.")
    if why:
        level = FAIL if epoch == num_epochs else WARN
        fix = "see in its output why; a trial that stays so to its end is infeasible."
        yield Diagnosis(name="start", level=level, seen=f"{why}.", fix=fix)
    if not (caution or why):
        yield Diagnosis(
            name="start",
            level=OK,
            seen=f"the untrained start has {study.metric.name} {study.metric.value(nrmse):.6g}",
        )


def _time(report: Mapping[str, Any], whole: str, num_epochs: int) -> str:
    start_s = report.get("setup_time_s", 0.0) + report.get("warmup_time_s", 0.0)
    seen = f"{report['time_s']:.3g} s for {whole}, after {start_s:.3g} s of set-up"
    if report["epoch"] < num_epochs:
        seen += f"; {num_epochs} epochs would take about {num_epochs * report['time_s']:.3g} s"
    return seen


def _memory(report: Mapping[str, Any], source: str) -> Diagnosis:
    if not source:
        return Diagnosis(name="memory", level=OK, seen="not measured, so no limit on it can be checked")
    return Diagnosis(name="memory", level=OK, seen=f"peak {report['peak_memory_gib']:.3g} GiB, {source}")
