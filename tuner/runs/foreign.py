"""Tells the folder of somebody else's run, whose study may name code that this user never chose to run.

A run is foreign if another user owns its files (root aside), or if it was begun elsewhere than where its
folder is now and was never resumed here: it may have come from another machine. A journal of an early version
does not say where its run was begun; of that, only the owner tells.
"""

from __future__ import annotations

import os

from tuner.core.study import StudySpec
from tuner.runs.basis import place_of
from tuner.runs.checkpoints import Checkpoints
from tuner.runs.past_run import PastRun

_SHIPPED_STAGES = "trainables."
_ROOT = 0


def why_foreign(past: PastRun) -> str:
    """Says why a run is foreign; empty if it is this user's own."""
    for path in (past.folder, past.folder / "journal.jsonl", past.folder / "study.yaml"):
        if path.exists() and (owner := path.stat().st_uid) not in (os.geteuid(), _ROOT):
            return f"{path} belongs to another user ({owner})"
    places = past.facts.places
    if places and place_of(past.folder) not in places:
        return "it was begun in another folder, or on another machine"
    return ""


def is_shipped(class_path: str) -> bool:
    """Whether a stage comes with distill-tuner."""
    return class_path.startswith(_SHIPPED_STAGES)


def own_code(study: StudySpec) -> list[str]:
    """Names the code of a study that is none of ours."""
    named = {
        "the sampler": study.search.sampler,
        "the stopping rule": study.scheduler.rule,
        "the stage": study.stage.class_path,
    }
    return [f"{what} {name}" for what, name in named.items() if ":" in name and not is_shipped(name)]


def code_that_runs(past: PastRun) -> list[str]:
    """Names all code that a resumed run would run and that is none of ours."""
    command = past.study.stage.options.get("command")
    own = [*own_code(past.study), *([f"the command {command}"] if command else [])]
    return [
        *own,
        *(["the checkpoints in its folder, which are pickles"] if Checkpoints.are_in(past.folder) else []),
    ]
