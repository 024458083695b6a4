"""A whole run: connect, look at the device, prepare the stage, run the trials, write the outputs.

The order is chosen so that nothing is lost: the study and the journal are on disk before the first
trial, and the outputs are written whatever ends the trials: their own end, a signal, or a failure.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from tuner import __version__
from tuner.advisor import Advisor, JournaledAdvisor, write_start
from tuner.advisor.warm_start import EarlierRun, check_same_study, prior_from, read_run
from tuner.core.prior import Prior
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord
from tuner.errors import ClusterError, HardwareMismatchError, TunerError
from tuner.ray_adapter.cluster import ClusterOptions, Resources, connect
from tuner.ray_adapter.interrupts import Interrupted, Interrupts
from tuner.records.folder import create_run_folder
from tuner.records.journal import Journal
from tuner.report.files import RunResult, write_outputs, write_study
from tuner.report.html import try_report
from tuner.report.past import write_end
from tuner.report.progress import Progress
from tuner.report.warm_start import warm_start_line
from tuner.spec import StudySpec


class Screen(Protocol):
    """Where a run shows itself."""

    def say(self, line: str) -> None:
        """Takes a line that stays."""

    def show(self, progress: Progress, changed: TrialRecord) -> None:
        """Takes the state of the run after `changed` changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How to run a study.

    Attributes:
        runs_dir: Where the run's folder is made.
        address: See `ClusterOptions`.
        dashboard: See `ClusterOptions`.
        require_hardware: Whether a device that the study was not written for is an error.
        warm_start: Folder of an earlier run, whose NRMSE is kept; None: nothing is.
    """

    runs_dir: Path
    address: str | None = None
    dashboard: bool = False
    require_hardware: bool = False
    warm_start: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Device:
    """What the trials run on.

    Attributes:
        details: As the stage describes it: kind, name, memory_gib ...
        num_gpus: GPUs a trial, 0 or 1.
        num_workers: Trials at once: one a whole GPU, one on a CPU, since wall-clock is an
            objective.
        mismatch: Why it is not the device the study was written for; empty when it is.
        traits: What stage and device say of themselves.
    """

    details: dict[str, Any]
    num_gpus: int
    num_workers: int
    mismatch: str
    traits: StageTraits


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
    _check_writable(options.runs_dir)
    earlier = _earlier_run(study, options)
    cluster = ClusterOptions(
        address=options.address, dashboard=options.dashboard, num_cpus=study.resources.cpus
    )
    screen.say(_start_line(options))
    with Interrupts() as interrupts, connect(cluster, interrupts) as resources:
        if resources.dashboard:
            screen.say(f"dashboard: {resources.dashboard}")
        device = _look_at_device(study, resources, options, interrupts, screen)
        prior = prior_from(earlier, study, device.traits) if earlier else None
        return _run_on(study, device, prior, options.runs_dir, interrupts, screen)


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


def _look_at_device(
    study: StudySpec,
    resources: Resources,
    options: SessionOptions,
    interrupts: Interrupts,
    screen: Screen,
) -> _Device:
    from tuner.ray_adapter.stages import describe_device, describe_traits

    check_resources(study, resources)
    num_gpus = min(1, resources.num_gpus)
    details = describe_device(study, interrupts, num_gpus=num_gpus)
    mismatch = study.hardware.why_not(details) or ""
    if mismatch and options.require_hardware:
        raise HardwareMismatchError(
            f"{study.path}: {mismatch}.",
            "run it there, choose another --space, or leave out --require-hardware.",
        )
    screen.say(f"device: {details['name']} ({details['kind']})")
    if mismatch:
        screen.say(
            f"*** Not the hardware of this study: {mismatch}. It runs all the same, and every figure below "
            f"is of {details['name']}, not of {study.hardware.description}. ***"
        )
    return _Device(
        details=details,
        num_gpus=num_gpus,
        num_workers=max(1, resources.num_gpus),
        mismatch=mismatch,
        traits=describe_traits(study, details, interrupts, num_gpus=num_gpus),
    )


def check_resources(study: StudySpec, resources: Resources) -> None:
    """Fails when a trial could never start; Ray itself would wait for ever.

    Raises:
        ClusterError: The study wants more CPUs a trial than there are.
    """
    if resources.num_cpus < study.resources.cpus:
        raise ClusterError(
            f"the study wants {study.resources.cpus} CPUs a trial; the cluster has {resources.num_cpus}.",
            f"lower resources.cpus in {study.path}.",
        )


def _run_on(
    study: StudySpec,
    device: _Device,
    prior: Prior | None,
    runs_dir: Path,
    interrupts: Interrupts,
    screen: Screen,
) -> tuple[RunResult, Path, int | None]:
    started = datetime.now().astimezone()
    folder = create_run_folder(runs_dir, study.name, started)
    write_study(folder, study)
    provenance = _provenance(study, device, started)
    if prior is not None:
        provenance["warm_start"] = prior.provenance
        screen.say(warm_start_line(prior.provenance))
    journal = Journal(folder / "journal.jsonl")
    advisor = Advisor(study, num_workers=device.num_workers, traits=device.traits, prior=prior)
    write_start(journal, study, advisor, provenance, device.num_workers)
    failure: TunerError | None = None
    try:
        _prepare_and_run(study, device, advisor, journal, folder, interrupts, screen)
    except Interrupted:
        pass
    except TunerError as error:
        failure = error
    result = RunResult(
        study=study,
        records=advisor.records,
        provenance=provenance,
        interrupted_by=interrupts.name,
        failure=str(failure or ""),
        finish_reason=advisor.finish_reason,
        certified=advisor.certified,
        prior_contradiction=advisor.prior_contradiction,
    )
    write_outputs(folder, result)
    if failure:
        screen.say(f"what was finished is in {folder}")
        raise failure
    write_end(journal, _since(started), result)
    journal.close()
    if trouble := try_report(folder):
        screen.say(trouble)
    return result, folder, interrupts.exit_code


def _prepare_and_run(
    study: StudySpec,
    device: _Device,
    advisor: Advisor,
    journal: Journal,
    folder: Path,
    interrupts: Interrupts,
    screen: Screen,
) -> None:
    from tuner.ray_adapter.launch import run_trials
    from tuner.ray_adapter.metrics import StudyMetrics
    from tuner.ray_adapter.stages import prepare

    screen.say("preparing the stage: data and teacher are made once per machine and problem ...")
    begun = time.monotonic()
    prepare(study, interrupts, num_gpus=device.num_gpus)
    screen.say(f"prepared in {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()

    def elapsed_s() -> float:
        return time.monotonic() - begun

    def show(changed: TrialRecord) -> None:
        screen.show(Progress.of(advisor, elapsed_s()), changed)

    run_trials(
        study,
        JournaledAdvisor(advisor, journal, elapsed_s, [StudyMetrics(advisor), show]),
        num_workers=device.num_workers,
        num_gpus=device.num_gpus,
        errors_dir=folder / "errors",
        interrupts=interrupts,
    )


def _since(started: datetime) -> float:
    return round((datetime.now().astimezone() - started).total_seconds(), 3)


def _provenance(study: StudySpec, device: _Device, started: datetime) -> dict[str, Any]:
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
