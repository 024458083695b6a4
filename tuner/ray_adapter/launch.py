"""One study on Ray Tune, from the first question to the last ending."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ray import tune

from tuner.advisor import JournaledAdvisor, Probe, Run
from tuner.errors import ClusterError
from tuner.ray_adapter.bridge import Bridge
from tuner.ray_adapter.interrupts import Interrupts
from tuner.ray_adapter.scheduler import AdvisorScheduler
from tuner.ray_adapter.searcher import AdvisorSearcher
from tuner.ray_adapter.stages import load_stage
from tuner.spec import StudySpec

STATE_LOGGER = "ray.tune.execution.experiment_state"
"""Of Tune's own state, which is thrown away: a signal while it is saved must not print a traceback."""


def run_trials(
    study: StudySpec,
    advisor: JournaledAdvisor,
    *,
    num_workers: int,
    num_gpus: int,
    errors_dir: Path,
    interrupts: Interrupts,
) -> None:
    """Runs trials until the advisor is finished or a signal comes; what they gave is in the advisor.

    Args:
        study: What to run.
        advisor: Asked for every trial, told of every report and ending.
        num_workers: Trials at once: the whole GPUs there are, one on a CPU, since wall-clock is an
            objective.
        num_gpus: GPUs a trial, 0 or 1.
        errors_dir: For the tracebacks of failed trials; made when there is one.
        interrupts: Installed already.

    Raises:
        TunerError: The stage cannot be imported, its reports are wrong, or the journal cannot be
            written.
    """
    bridge = Bridge(advisor, lambda run: trial_config(study, run), lambda: interrupts.signum is not None)
    storage = Path(tempfile.mkdtemp(prefix="dt-tune-"))
    logging.getLogger(STATE_LOGGER).setLevel(logging.CRITICAL)
    scheduler = AdvisorScheduler(bridge, errors_dir)
    tuner = _tuner(study, bridge, scheduler, storage, num_workers=num_workers, num_gpus=num_gpus)
    try:
        with interrupts.inside_tune():
            tuner.fit()
    except Exception as error:
        bridge.error = bridge.error or _tune_error(error)
    finally:
        bridge.interrupt(f"interrupted by {interrupts.name}" if interrupts.name else "interrupted")
        shutil.rmtree(storage, ignore_errors=True)
    if bridge.error is not None:
        raise bridge.error


def _tuner(
    study: StudySpec,
    bridge: Bridge,
    scheduler: AdvisorScheduler,
    storage: Path,
    *,
    num_workers: int,
    num_gpus: int,
) -> tune.Tuner:
    """Tune as it is used here: it runs what the bridge says, and nothing it keeps is needed afterwards."""
    return tune.Tuner(
        tune.with_resources(
            load_stage(study.stage.class_path), {"cpu": study.resources.cpus, "gpu": num_gpus}
        ),
        tune_config=tune.TuneConfig(
            search_alg=AdvisorSearcher(bridge),
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=num_workers,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(storage),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )


def _tune_error(error: Exception) -> ClusterError:
    """Tune's own failure, such as its state on a full disk; our journal is complete all the same."""
    line = (str(error).splitlines() or [""])[0]
    return ClusterError(
        f"Ray Tune failed: {type(error).__name__}: {line}.",
        "see that the temporary folder has space and that Ray's nodes are alive.",
    )


def trial_config(study: StudySpec, wanted: Run | Probe) -> dict[str, Any]:
    """What the stage's `setup` gets."""
    shared = {"stage": dict(study.stage.options), "num_threads": study.resources.threads}
    if isinstance(wanted, Probe):
        return shared | {"probe": [config.as_dict() for config in wanted.configs], "seed": study.seed}
    return shared | {
        "params": wanted.config.as_dict(),
        "seed": wanted.seed,
        "num_epochs": wanted.num_epochs,
    }
