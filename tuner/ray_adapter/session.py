"""A whole run: connect, look at the device, prepare the stage, run the trials, write the outputs.

The order is chosen so that nothing is lost: the study and the journal are on disk before the first
trial, and the outputs are written whatever ends the trials: their own end, a signal, or a failure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.advisor import Advisor
from tuner.core.study import StudySpec
from tuner.core.study_sections import SURROGATE
from tuner.core.trial import TrialRecord
from tuner.core.warm_start import WarmStart
from tuner.errors import Interrupted, TunerError
from tuner.ray_adapter.address import cluster_address
from tuner.ray_adapter.cluster import ClusterOptions, connect, prepare_environment
from tuner.ray_adapter.device import Device, look_at_device
from tuner.ray_adapter.interrupts import Interrupts
from tuner.report.changes import resumed_lines
from tuner.report.notices import Notices
from tuner.report.outputs import ReportOutputs
from tuner.report.screens import Screen
from tuner.report.warm_start import warm_start_line
from tuner.runs.changes import device_changes, source_changes
from tuner.runs.journaled import JournaledAdvisor
from tuner.runs.open_run import OpenRun, begin
from tuner.runs.past_run import PastRun
from tuner.runs.progress import Progress
from tuner.runs.provenance import provenance_of, real_versions
from tuner.runs.result import RunResult
from tuner.runs.resume import Held, hold, resume
from tuner.runs.session import Stopwatch, carry_out
from tuner.runs.unexpected import as_tuner_error
from tuner.runs.warm_start import EarlierRun, check_same_study, read_run, warm_start_from


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options with which a study runs.

    Attributes:
        runs_dir: Folder in which the run's folder is made.
        address: Address of the cluster; see `ClusterOptions`.
        dashboard: Whether to start the dashboard; see `ClusterOptions`.
        require_hardware: Whether a device that the study was not written for is an error.
        warm_start: Folder of an earlier run, whose NRMSE is kept; None to keep nothing.
        resume: The run of this study to continue; None to begin a new one.
        accept_changes: Whether it continues though what it measures has changed, as far as that can be.
        certify: Whether the certificate of the resumed run is to become firm.
        more_hours: Hours that the certificate may take; None for what is left of its budget.
    """

    runs_dir: Path
    address: str | None = None
    dashboard: bool = False
    require_hardware: bool = False
    warm_start: Path | None = None
    resume: PastRun | None = None
    accept_changes: bool = False
    certify: bool = False
    more_hours: float | None = None


def run_study(
    study: StudySpec, options: SessionOptions, screen: Screen, interrupts: Interrupts
) -> tuple[RunResult, Path]:
    """Runs a study to its end.

    Args:
        study: The resolved study.
        options: How it runs.
        screen: Where it shows itself.
        interrupts: Entered already. A signal that comes before the end of the last trial ends the run; a
            later one changes nothing.

    Returns:
        The result, and the folder it was written to.

    Raises:
        TunerError: The cluster, the device, the stage or the disk is at fault. What was finished by
            then is in the run's folder.
        Interrupted: A signal came before there was a run.
    """
    with interrupts.at_once():
        Advisor(study)  # a mistake in the sampler's or the rule's options shows now, not after Ray's start
    with _held(options) as held:
        cluster = ClusterOptions(
            address=options.address, dashboard=options.dashboard, num_cpus=study.resources.cpus
        )
        with interrupts.at_once():
            _check_writable(options.runs_dir)
            earlier = _earlier_run(study, options)
            prepare_environment(cluster)  # from here on ray may be imported, by the stage for one
            _check_stage(study)
        screen.say(_start_line(options))
        with connect(cluster, interrupts) as resources:
            if resources.dashboard:
                screen.say(f"dashboard: {resources.dashboard}")
            device = look_at_device(
                study, resources, interrupts, say=screen.say, require_hardware=options.require_hardware
            )
            _say_device(study, device, screen)
            run = _open(study, held, earlier, device, options, screen)
            result = _run_on(study, device, run, interrupts, screen)
            if interrupts.name and not result.interrupted_by:
                screen.say(f"{interrupts.name} came after the last trial: the result is complete")
            return result, run.folder


@contextmanager
def _held(options: SessionOptions) -> Iterator[Held | None]:
    """Holds the run that `--resume` names, if any, for the duration of a `with` block; then lets it go."""
    if options.resume is None:
        yield None
        return
    held = hold(
        options.resume,
        real_versions(),
        ReportOutputs(),
        certify=options.certify,
        accept=options.accept_changes,
    )
    try:
        yield held
    finally:
        held.journal.close()


def _check_stage(study: StudySpec) -> None:
    """Fails before Ray is started, in a second, rather than after."""
    from tuner.ray_adapter.stages import check_parameters

    check_parameters(study)


def _earlier_run(study: StudySpec, options: SessionOptions) -> EarlierRun | None:
    """Reads the run that `--warm-start` names, and checks it as far as possible before Ray is started."""
    if options.warm_start is None:
        return None
    earlier = read_run(options.warm_start)
    check_same_study(earlier, study, is_simulated=False)
    return earlier


def _check_writable(runs_dir: Path) -> None:
    """Fails before Ray is started rather than after."""
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        writable = os.access(runs_dir, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise TunerError(
            f"{runs_dir}: cannot make run folders here.",
            "choose a writable folder with --runs-dir.",
        )


def _start_line(options: SessionOptions) -> str:
    address = cluster_address(options.address)
    return f"joining Ray at {address} ..." if address else "starting Ray (private, loopback only) ..."


def _say_device(study: StudySpec, device: Device, screen: Screen) -> None:
    name = device.details["name"]
    screen.say(f"device: {name} ({device.details['kind']})")
    if device.mismatch:
        screen.say(
            f"*** Not the hardware of this study: {device.mismatch}. Continuing: all results below were "
            f"measured on {name}, not on {study.hardware.description}. ***"
        )


def _open(
    study: StudySpec,
    held: Held | None,
    earlier: EarlierRun | None,
    device: Device,
    options: SessionOptions,
    screen: Screen,
) -> OpenRun:
    """Begins a run, or goes on with the one that is held."""
    provenance = provenance_of(study, device.details, real_versions(), hardware_mismatch=device.mismatch)
    if held:
        return _go_on(study, held, device, provenance, options, screen)
    warm_start = warm_start_from(earlier, study, device.traits) if earlier else None
    return _begin(study, device, warm_start, options.runs_dir, provenance, screen)


def _begin(
    study: StudySpec,
    device: Device,
    warm_start: WarmStart | None,
    runs_dir: Path,
    provenance: dict[str, Any],
    screen: Screen,
) -> OpenRun:
    advisor = Advisor(study, num_workers=device.num_workers, traits=device.traits, warm_start=warm_start)
    if warm_start is not None:
        screen.say(warm_start_line(warm_start.provenance, quality=study.metric.label))
    return begin(
        study, advisor, provenance, runs_dir, num_workers=device.num_workers, stage_source=device.source
    )


def _go_on(
    study: StudySpec,
    held: Held,
    device: Device,
    provenance: dict[str, Any],
    options: SessionOptions,
    screen: Screen,
) -> OpenRun:
    """Goes on with the run unless what it measures has changed, and that is not accepted."""
    past = held.past
    changes = device_changes(past, device.details, device.num_workers)
    held = held.checked([*changes, *source_changes(past, device.source)])
    if study.search.sampler != SURROGATE:
        screen.say(
            f"the sampler {study.search.sampler} was told all trials so far; its random draws start anew"
        )
    try:
        run = resume(
            held,
            provenance,
            certify=options.certify,
            more_hours=options.more_hours,
            num_workers=device.num_workers,
            stage_source=device.source,
        )
    except (Interrupted, TunerError):
        raise
    except BaseException as error:
        raise as_tuner_error(error, past.folder) from error
    screen.say(
        f"resumed {run.folder.name}: {len(run.advisor.records)} trials so far, {run.elapsed_s:.0f} s of the "
        "budget spent"
    )
    for line in resumed_lines(run.provenance):
        screen.say(line)
    return run


def _run_on(
    study: StudySpec, device: Device, run: OpenRun, interrupts: Interrupts, screen: Screen
) -> RunResult:
    """Prepares the stage and runs trials through Ray Tune."""
    from tuner.ray_adapter.metrics import StudyMetrics

    clock, advisor = Stopwatch(run.elapsed_s), run.advisor

    notices = Notices(screen.say)

    def show(changed: TrialRecord) -> None:
        progress = Progress.of(advisor, clock())
        notices.look(progress, advisor.probing_given_up)
        screen.show(progress, changed)

    def run_trials(journaled: JournaledAdvisor) -> None:
        with suppress(Interrupted):
            _prepare(study, device, interrupts, screen)
            clock.start()
            _tune(study, device, journaled, run.folder, interrupts, notices)

    return carry_out(
        run,
        run_trials,
        clock,
        ReportOutputs(),
        screen.say,
        listeners=[StudyMetrics(advisor), show],
        interrupted_by=lambda: interrupts.name,
    )


def _prepare(study: StudySpec, device: Device, interrupts: Interrupts, screen: Screen) -> None:
    from tuner.ray_adapter.stages import Waiting, prepare

    screen.say(
        "preparing the stage: what it makes once per machine, such as data and a teacher, is made now ..."
    )
    started = time.monotonic()
    prepare(study, interrupts, device.place, Waiting(say=screen.say))
    screen.say(f"prepared in {time.monotonic() - started:.1f} s")


def _tune(
    study: StudySpec,
    device: Device,
    advisor: JournaledAdvisor,
    folder: Path,
    interrupts: Interrupts,
    notices: Notices,
) -> None:
    from tuner.ray_adapter.launch import Workers, run_trials

    run_trials(
        study,
        advisor,
        workers=Workers(num=device.num_workers, place=device.place, device=device.details["name"]),
        errors_dir=folder / "errors",
        interrupts=interrupts,
        on_silence=notices.silent,
    )
