"""Checks what a study names, as far as that needs neither Ray nor a card: its stage, its sampler, its rule.

A run finds these mistakes before its first trial; whoever only plans, simulates or asks `doctor` finds them
too. Knows no study file: what is wrong in one is `tuner.spec`'s.

A stage of one's own is imported for that, with Ray; one of ours is not, so that a plan of it takes no time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec

from tuner.commands.diagnosis import OK, WARN, Diagnosis, mistake
from tuner.commands.stage_check import check_stage
from tuner.core.study import StudySpec
from tuner.errors import TunerError
from tuner.runs.foreign import is_shipped
from tuner.runs.wanted import WANDB, wanted_names


def preflight(study: StudySpec) -> None:
    """Raises TunerError for what would end every run of a study before its first trial."""
    _check_stage(study)
    _check_plug_ins(study)


def preflight_diagnoses(study: StudySpec) -> Iterator[Diagnosis]:
    """The same, a line for each, and what a study wants to be written for which a package is missing."""
    checks = {
        "stage": (_check_stage, study.stage.class_path),
        "search": (_check_plug_ins, f"{study.search.sampler}, {study.scheduler.rule}"),
    }
    for name, (check, seen) in checks.items():
        try:
            check(study)
        except TunerError as error:
            yield mistake(name, error)
        else:
            yield Diagnosis(name=name, level=OK, seen=seen)
    if WANDB in wanted_names(study.outputs, is_simulated=False) and find_spec("wandb") is None:
        seen = f"outputs.wandb is {study.outputs.wandb}, but W&B is not installed: a run goes on without it."
        fix = "pip install 'distill-tuner[wandb]', or write wandb: off."
        yield Diagnosis(name="outputs", level=WARN, seen=seen, fix=fix)


def _check_stage(study: StudySpec) -> None:
    check_stage(study)
    if is_shipped(study.stage.class_path):
        return
    from tuner.ray_adapter.home import ensure_home

    ensure_home()
    from tuner.ray_adapter.stages import check_parameters

    with redirect_stdout(sys.stderr):  # of whatever the stage's modules print
        check_parameters(study)


def _check_plug_ins(study: StudySpec) -> None:
    """Makes the sampler and the stopping rule, as a run does."""
    from tuner.advisor import Advisor

    Advisor(study)
