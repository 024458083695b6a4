"""A whole simulated run: advisor, journal and outputs of a real one, in virtual time and without Ray.

The study's name, its device and so every file of the run's folder say that it is simulated.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tuner import __version__
from tuner.advisor import Advisor, JournaledAdvisor, write_start
from tuner.advisor.warm_start import check_same_study, prior_from, read_run
from tuner.core.prior import Prior
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord
from tuner.errors import TunerError
from tuner.records.folder import create_run_folder
from tuner.records.journal import Journal
from tuner.report.ending import end_run
from tuner.report.files import write_study
from tuner.report.progress import Progress
from tuner.report.result import RunResult
from tuner.simulate.guess import supposed_instance, suppositions
from tuner.simulate.instance import Instance
from tuner.simulate.loop import Account, VirtualClock
from tuner.sinks import open_sinks
from tuner.spec import StudySpec

Show = Callable[[Progress, TrialRecord], None]
Say = Callable[[str], None]


def simulated(study: StudySpec) -> StudySpec:
    """The study under a name that says it is simulated."""
    return replace(study, name=f"{study.name}-simulated")


def simulated_prior(study: StudySpec, folder: Path) -> Prior:
    """What an earlier simulated run teaches this study.

    Raises:
        TunerError: It is a real run's folder or none at all, or its stage differs.
    """
    earlier = read_run(folder)
    check_same_study(earlier, study, is_simulated=True)
    return prior_from(earlier, study, StageTraits())


def run_simulated(
    study: StudySpec, runs_dir: Path, show: Show, prior: Prior | None = None, say: Say = lambda _: None
) -> tuple[RunResult, Path, Account]:
    """Runs a study in virtual time and writes the folder a real run would.

    Args:
        study: As `simulated` named it.
        runs_dir: Where the run's folder is made.
        show: Called with the state of the run and the trial that changed.
        prior: What an earlier simulated run taught of NRMSE.
        say: Takes a line that people see, on an output that could not be written.

    Returns:
        The result, its folder, and where the workers' virtual time went.

    Raises:
        TunerError: The advisor, the hardware profile or the disk is at fault.
    """
    instance = supposed_instance(study)
    clock, account = VirtualClock(), Account()
    advisor = Advisor(study, prior=prior)
    started = datetime.now().astimezone()
    folder = create_run_folder(runs_dir, study.name, started)
    write_study(folder, study)
    provenance = _provenance(study, instance, started)
    if prior is not None:
        provenance["warm_start"] = prior.provenance
    journal = Journal(folder / "journal.jsonl")
    write_start(journal, study, advisor, provenance, num_workers=1)
    sinks = open_sinks(study, provenance, folder, say)

    def listen(changed: TrialRecord) -> None:
        show(Progress.of(advisor, clock.now_s), changed)

    failure: TunerError | None = None
    try:
        instance.play(JournaledAdvisor(advisor, journal, clock, [listen, sinks.show]), clock, account)
    except TunerError as error:
        failure = error
    result = RunResult.of(advisor, provenance, failure=str(failure or ""))
    if trouble := end_run(folder, journal, clock.now_s, result):
        say(trouble)
    sinks.finish(result)
    if failure:
        raise failure
    return result, folder, account


def _provenance(study: StudySpec, instance: Instance, started: datetime) -> dict[str, Any]:
    """Where the figures come from: a simulation, and what it supposes."""
    memory_gib = study.hardware.memory_gib
    return {
        "study": study.name,
        "study_hash": study.study_hash(),
        "seed": study.seed,
        "started": started.isoformat(timespec="seconds"),
        "simulated": suppositions(study),
        "device": {
            "kind": "simulated",
            "name": instance.device,
            "memory_gib": None if memory_gib is None else memory_gib.value,
        },
        "hardware": study.hardware.name,
        "hardware_mismatch": "",
        "platform": platform.platform(),
        "versions": {
            "distill-tuner": __version__,
            "python": sys.version.split()[0],
            **{name: metadata.version(name) for name in ("optuna", "numpy")},
        },
    }
