"""A whole simulated run: advisor, journal and outputs of a real one, in virtual time and without Ray.

The study's name, its device and so every file of the run's folder say that it is simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.advisor import Advisor
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord
from tuner.core.warm_start import WarmStart
from tuner.report.outputs import ReportOutputs
from tuner.runs.open_run import begin
from tuner.runs.progress import Progress
from tuner.runs.provenance import provenance_of, simulated_versions
from tuner.runs.result import RunResult
from tuner.runs.session import Say, carry_out
from tuner.runs.warm_start import check_same_study, read_run, warm_start_from
from tuner.simulate.guess import supposed_instance, suppositions
from tuner.simulate.instance import Instance
from tuner.simulate.loop import Account, VirtualClock

Show = Callable[[Progress, TrialRecord], None]


def simulated(study: StudySpec) -> StudySpec:
    """The study under a name that says it is simulated."""
    return replace(study, name=f"{study.name}-simulated")


def simulated_warm_start(study: StudySpec, folder: Path) -> WarmStart:
    """Returns what an earlier simulated run teaches this study.

    Raises:
        TunerError: The folder is a real run's or not a run's, or its stage differs.
    """
    earlier = read_run(folder)
    check_same_study(earlier, study, is_simulated=True)
    return warm_start_from(earlier, study, StageTraits())


def run_simulated(
    study: StudySpec,
    runs_dir: Path,
    show: Show,
    warm_start: WarmStart | None = None,
    say: Say = lambda _: None,
) -> tuple[RunResult, Path, Account]:
    """Runs a study in virtual time and writes the folder a real run would.

    Args:
        study: The study, as `simulated` named it.
        runs_dir: Folder in which the run's folder is made.
        show: Called with the state of the run and the trial that changed.
        warm_start: NRMSE results of an earlier simulated run.
        say: Takes a line that people see, on an output that could not be written.

    Returns:
        The result, its folder, and where the workers' virtual time went.

    Raises:
        TunerError: The advisor, the hardware profile or the disk is at fault.
    """
    instance = supposed_instance(study)
    clock, account = VirtualClock(), Account()
    advisor = Advisor(study, warm_start=warm_start)
    run = begin(study, advisor, _provenance(study, instance), runs_dir, num_workers=1)

    def listen(changed: TrialRecord) -> None:
        show(Progress.of(advisor, clock.now_s), changed)

    result = carry_out(
        run,
        lambda journaled: instance.play(journaled, clock, account),
        clock,
        ReportOutputs(),
        say,
        listeners=[listen],
    )
    return result, run.folder, account


def _provenance(study: StudySpec, instance: Instance) -> dict[str, Any]:
    """Returns where the figures come from: a simulation, and what it supposes."""
    memory_gib = study.hardware.memory_gib
    device = {
        "kind": "simulated",
        "name": instance.device,
        "memory_gib": None if memory_gib is None else memory_gib.value,
    }
    return provenance_of(study, device, simulated_versions(), simulated=suppositions(study))
