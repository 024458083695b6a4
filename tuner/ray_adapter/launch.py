"""Runs one study on Ray Tune, from the first question to the last ending."""

from __future__ import annotations

import logging
import tempfile
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray import tune

from foundation.one_line import first_line
from tuner.advisor import Probe, Run
from tuner.core.study import StudySpec
from tuner.core.trial import Purpose
from tuner.errors import ClusterError, StageError, split_fix
from tuner.ray_adapter.bridge import Bridge, OnSilence
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.on_worker import load_stage
from tuner.ray_adapter.overdue import OverdueCallback
from tuner.ray_adapter.place import Place
from tuner.ray_adapter.private_folder import TUNE, make_private_folder
from tuner.ray_adapter.ray_changes import (
    every_error_fails_a_trial,
    trials_take_idle_workers,
    tune_ends_when,
    usage_not_counted,
)
from tuner.ray_adapter.scheduler import AdvisorScheduler
from tuner.ray_adapter.searcher import AdvisorSearcher
from tuner.ray_adapter.silence import PATIENCE, Patience
from tuner.ray_adapter.stages import evaluates_start
from tuner.ray_adapter.supervision import (
    LeftBehindError,
    dead_process,
    ray_died,
    ray_is_own,
    supervised,
)
from tuner.runs.checkpoints import Checkpoints
from tuner.runs.journaled import JournaledAdvisor

STATE_LOGGER = "ray.tune.execution.experiment_state"
"""Logger of Tune's own state, which is thrown away: a signal while it is saved must not print a traceback."""

END_LOGGER = "ray.tune.tune"
"""Logger that names, by Tune's ids, the trials that failed; ours are reported with their reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """The workers on which trials run.

    Attributes:
        num: Trials at once: the whole GPUs there are, one on a CPU, since wall-clock is an objective.
        place: The resources that a trial asks Ray for.
        device: Name of the device that the run measures; empty if any will do.
    """

    num: int = 1
    place: Place = field(default_factory=Place)
    device: str = ""


def run_trials(
    study: StudySpec,
    advisor: JournaledAdvisor,
    *,
    workers: Workers,
    errors_dir: Path,
    interrupts: Interrupts,
    patience: Patience = PATIENCE,
    on_silence: OnSilence = lambda *_: None,
) -> None:
    """Runs trials until the advisor is finished or a signal comes; what they gave is in the advisor.

    Args:
        study: The study to run.
        advisor: Asked for every trial, told of every report and ending.
        workers: The workers on which trials run.
        errors_dir: Folder for the tracebacks of failed trials; made when there is one.
        interrupts: Installed already.
        patience: How long trials may be silent.
        on_silence: Hears once in each silence that it is a long one; see `bridge.OnSilence`.

    Raises:
        TunerError: The stage cannot be imported or does not work, trials are started on devices of several
            kinds, or the journal cannot be written.
    """
    stage = load_stage(study.stage.class_path)
    checkpoints = advisor.checkpoints if getattr(stage, "resumable", False) else None
    bridge = Bridge(
        advisor,
        lambda wanted: trial_config(
            study, wanted, workers.device, checkpoints, measure_start=evaluates_start(study)
        ),
        lambda: _interrupted_by(interrupts),
        device=workers.device,
        patience=patience,
        on_silence=on_silence,
    )
    folder = make_private_folder(Path(tempfile.gettempdir()))
    for logger in (STATE_LOGGER, END_LOGGER):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    scheduler = AdvisorScheduler(bridge, errors_dir)

    def tune_until(at_rest: threading.Event) -> None:
        tuner = _tuner(study, stage, bridge, scheduler, folder.path / TUNE, workers, at_rest)
        with (
            usage_not_counted(),
            every_error_fails_a_trial(),
            tune_ends_when(at_rest),
            trials_take_idle_workers() if ray_is_own() else nullcontext(),
        ):
            tuner.fit()

    try:
        supervised(tune_until, interrupts)
    except LeftBehindError:
        bridge.take_over()
    except (OSError, EOFError, ray.exceptions.RayError, tune.TuneError) as error:
        bridge.error = bridge.error or _tune_error(error)
    finally:
        bridge.interrupt(_interrupted_by(interrupts) or "interrupted")
        folder.remove()
    _settle(bridge, interrupts)


def _settle(bridge: Bridge, interrupts: Interrupts) -> None:
    """Raises what ended the trials, if it was neither the advisor nor a signal."""
    if (dead := dead_process()) and interrupts.signum is None:
        bridge.error = bridge.error or ray_died(dead)
    if bridge.error is None and interrupts.signum is None:
        bridge.settle()
    if bridge.error is not None:
        raise bridge.error
    advisor = bridge.advisor.advisor
    if advisor.is_broken:
        raise _stage_error(advisor.finish_reason)


def _tuner(  # each is one thing that Tune is made of
    study: StudySpec,
    stage: type[tune.Trainable],
    bridge: Bridge,
    scheduler: AdvisorScheduler,
    storage: Path,
    workers: Workers,
    at_rest: threading.Event,
) -> tune.Tuner:
    """Tune as it is used here: it runs what the bridge says, and nothing it keeps is needed afterwards."""
    place = workers.place
    resources = {"cpu": study.resources.cpus, "gpu": place.num_gpus, **place.resources}
    return tune.Tuner(
        tune.with_resources(stage, resources),
        tune_config=tune.TuneConfig(
            search_alg=AdvisorSearcher(bridge),
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=workers.num,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(storage),
            verbose=0,
            callbacks=[OverdueCallback(bridge, scheduler.actors.of, at_rest.set)],
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )


def _stage_error(reason: str) -> StageError:
    """The error for a stage that does not work; a cause that has its own fix keeps it."""
    said, fix = split_fix(reason)
    first = f"{fix.rstrip('. ')}. Then start" if fix else "correct it and start"
    return StageError(
        f"the stage does not work: {said.rstrip('. ')}.",
        f"{first} a new run; --resume this one if only a file or a device was missing.",
    )


def _interrupted_by(interrupts: Interrupts) -> str:
    """Says what asked for an end, a signal or the death of Ray; empty while nothing did."""
    if interrupts.name:
        return f"interrupted by {interrupts.name}"
    dead = dead_process()
    return f"Ray's {dead} died" if dead else ""


def _tune_error(error: Exception) -> ClusterError:
    """Returns an error for Tune's own failure, such as its state on a full disk; our journal is complete."""
    return ClusterError(
        f"Ray Tune failed: {type(error).__name__}: {first_line(str(error))}.",
        "see that the temporary folder has space and that Ray's nodes are alive.",
    )


def trial_config(
    study: StudySpec,
    wanted: Run | Probe,
    device: str = "",
    checkpoints: Checkpoints | None = None,
    *,
    measure_start: bool = False,
) -> dict[str, Any]:
    """Returns the dict that the stage's `setup` gets.

    Args:
        study: The study that runs.
        wanted: The trial or probe that the advisor asked for.
        device: Name of the device that the stage must find itself on; empty if any will do.
        checkpoints: Folders in which a resumable stage keeps checkpoints; None if it keeps none.
        measure_start: Whether the baseline measures the untrained start too, which the stage can.
    """
    shared: dict[str, Any] = {
        "stage": dict(study.stage.options),
        "num_threads": study.resources.threads,
        "device": device,
    }
    if isinstance(wanted, Probe):
        return shared | {
            "probe": [config.as_dict() for config in wanted.configs],
            "seed": study.seed,
            "num_epochs": study.stage.num_epochs,
            "limit_s": wanted.limit_s,
        }
    kept: dict[str, Any] = {}
    if measure_start and wanted.purpose is Purpose.BASELINE:
        kept = {"measure_start": True}
    if checkpoints is not None:
        kept |= {"checkpoints": str(checkpoints.open(wanted)), "from_epoch": wanted.from_epoch}
    return shared | {
        "params": wanted.config.as_dict(),
        "seed": wanted.seed,
        "num_epochs": wanted.num_epochs,
        **kept,
    }
