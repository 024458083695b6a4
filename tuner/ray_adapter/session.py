"""A whole run: connect, look at the device, prepare the stage, run the trials, write the outputs.

The order is chosen so that nothing is lost: the study and the journal are on disk before the first
trial, and the outputs are written whatever ends the trials: their own end, a signal, or a failure.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from tuner import __version__
from tuner.advisor import Advisor, JournaledAdvisor, write_start
from tuner.advisor.warm_start import EarlierRun, check_same_study, prior_from, read_run
from tuner.core.prior import Prior
from tuner.core.trial import TrialRecord
from tuner.errors import TunerError
from tuner.ray_adapter.cluster import ClusterOptions, connect
from tuner.ray_adapter.device import Device, look_at_device
from tuner.ray_adapter.interrupts import Interrupted, Interrupts
from tuner.ray_adapter.resume import Held, OpenRun, check_same_device, hold, resume
from tuner.records.folder import create_run_folder
from tuner.records.journal import Journal
from tuner.report.ending import end_run
from tuner.report.files import write_study
from tuner.report.progress import Progress
from tuner.report.result import RunResult
from tuner.report.screens import Screen
from tuner.report.warm_start import warm_start_line
from tuner.sinks import Sinks, open_sinks
from tuner.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How to run a study.

    Attributes:
        runs_dir: Where the run's folder is made.
        address: See `ClusterOptions`.
        dashboard: See `ClusterOptions`.
        require_hardware: Whether a device that the study was not written for is an error.
        warm_start: Folder of an earlier run, whose NRMSE is kept; None: nothing is.
        resume: Folder of the run of this study to go on with; None: a new one begins.
        certify: Whether the certificate of the resumed run is to become firm.
        more_hours: What that may take; None: what is left of its budget.
    """

    runs_dir: Path
    address: str | None = None
    dashboard: bool = False
    require_hardware: bool = False
    warm_start: Path | None = None
    resume: Path | None = None
    certify: bool = False
    more_hours: float | None = None


def run_study(
    study: StudySpec, options: SessionOptions, screen: Screen
) -> tuple[RunResult, Path, int | None]:
    """Runs a study to its end.

    Returns:
        The result, the folder it was written to, and the exit code of the signal that ended the
        run, if any.

    Raises:
        TunerError: The cluster, the device, the stage or the disk is at fault. What was finished by
            then is in the run's folder.
    """
    Advisor(study)  # a mistake in the sampler's or the rule's options shows now, not after Ray's start
    held = hold(options.resume, certify=options.certify) if options.resume else None
    _check_writable(options.runs_dir)
    earlier = _earlier_run(study, options)
    cluster = ClusterOptions(
        address=options.address, dashboard=options.dashboard, num_cpus=study.resources.cpus
    )
    screen.say(_start_line(options))
    with Interrupts() as interrupts, connect(cluster, interrupts) as resources, _one_thread():
        if resources.dashboard:
            screen.say(f"dashboard: {resources.dashboard}")
        device = look_at_device(study, resources, interrupts, require_hardware=options.require_hardware)
        _say_device(study, device, screen)
        started = datetime.now().astimezone()
        provenance = _provenance(study, device, started)
        if held:
            run = _go_on(held, device, provenance, options, screen)
        else:
            prior = prior_from(earlier, study, device.traits) if earlier else None
            run = _begin(study, device, prior, options.runs_dir, provenance, screen)
        return _run_on(study, device, run, interrupts, screen)


def _one_thread() -> AbstractContextManager[object]:
    """Lets the model compute on one core: its matrices are small, and the others are the trials'."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def _earlier_run(study: StudySpec, options: SessionOptions) -> EarlierRun | None:
    """What `--warm-start` names, as far as it can be checked before Ray is started."""
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
    address = options.address or os.environ.get("RAY_ADDRESS")
    return f"joining Ray at {address} ..." if address else "starting Ray (private, loopback only) ..."


def _say_device(study: StudySpec, device: Device, screen: Screen) -> None:
    name = device.details["name"]
    screen.say(f"device: {name} ({device.details['kind']})")
    if device.mismatch:
        screen.say(
            f"*** Not the hardware of this study: {device.mismatch}. It runs all the same, and every figure "
            f"below is of {name}, not of {study.hardware.description}. ***"
        )


def _begin(
    study: StudySpec,
    device: Device,
    prior: Prior | None,
    runs_dir: Path,
    provenance: dict[str, Any],
    screen: Screen,
) -> OpenRun:
    folder = create_run_folder(runs_dir, study.name, datetime.fromisoformat(provenance["started"]))
    write_study(folder, study)
    if prior is not None:
        provenance["warm_start"] = prior.provenance
        screen.say(warm_start_line(prior.provenance))
    journal = Journal(folder / "journal.jsonl")
    advisor = Advisor(study, num_workers=device.num_workers, traits=device.traits, prior=prior)
    write_start(journal, study, advisor, provenance, device.num_workers)
    return OpenRun(folder=folder, advisor=advisor, journal=journal, provenance=provenance)


def _go_on(
    held: Held, device: Device, provenance: dict[str, Any], options: SessionOptions, screen: Screen
) -> OpenRun:
    check_same_device(held.past, device.details, device.num_workers)
    run = resume(held, provenance, certify=options.certify, more_hours=options.more_hours)
    screen.say(
        f"resumed {run.folder.name}: {len(run.advisor.records)} trials so far, {run.elapsed_s:.0f} s of the "
        "budget spent"
    )
    return run


def _run_on(
    study: StudySpec, device: Device, run: OpenRun, interrupts: Interrupts, screen: Screen
) -> tuple[RunResult, Path, int | None]:
    started = time.monotonic()
    sinks = open_sinks(study, run.provenance, run.folder, screen.say, run.advisor.records)
    failure: TunerError | None = None
    try:
        _prepare_and_run(study, device, run, sinks, interrupts, screen)
    except Interrupted:
        pass
    except TunerError as error:
        failure = error
    result = RunResult.of(
        run.advisor, run.provenance, interrupted_by=interrupts.name, failure=str(failure or "")
    )
    elapsed_s = run.elapsed_s + time.monotonic() - started
    if trouble := end_run(run.folder, run.journal, elapsed_s, result):
        screen.say(trouble)
    sinks.finish(result)
    if failure:
        screen.say(f"what was finished is in {run.folder}")
        raise failure
    return result, run.folder, interrupts.exit_code


def _prepare_and_run(
    study: StudySpec, device: Device, run: OpenRun, sinks: Sinks, interrupts: Interrupts, screen: Screen
) -> None:
    from tuner.ray_adapter.launch import run_trials
    from tuner.ray_adapter.metrics import StudyMetrics
    from tuner.ray_adapter.stages import prepare

    screen.say("preparing the stage: data and teacher are made once per machine and problem ...")
    started = time.monotonic()
    prepare(study, interrupts, num_gpus=device.num_gpus)
    screen.say(f"prepared in {time.monotonic() - started:.1f} s")
    advisor, started = run.advisor, time.monotonic()

    def elapsed_s() -> float:
        return run.elapsed_s + time.monotonic() - started

    def show(changed: TrialRecord) -> None:
        screen.show(Progress.of(advisor, elapsed_s()), changed)

    run_trials(
        study,
        JournaledAdvisor(advisor, run.journal, elapsed_s, [StudyMetrics(advisor), show, sinks.show]),
        num_workers=device.num_workers,
        num_gpus=device.num_gpus,
        errors_dir=run.folder / "errors",
        interrupts=interrupts,
    )


def _provenance(study: StudySpec, device: Device, started: datetime) -> dict[str, Any]:
    """Where the figures come from, as plain JSON values."""
    return {
        "study": study.name,
        "study_hash": study.study_hash(),
        "seed": study.seed,
        "started": started.isoformat(timespec="seconds"),
        "device": device.details,
        "hardware": study.hardware.name,
        "hardware_mismatch": device.mismatch,
        "platform": platform.platform(),
        "versions": {
            "distill-tuner": __version__,
            "python": sys.version.split()[0],
            **{name: metadata.version(name) for name in ("ray", "optuna", "torch", "numpy")},
        },
    }
