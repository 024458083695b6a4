"""The source of a stage as fingerprints, which `--resume` compares. Reads files; knows no ray.

Which files those are, the stage says (`source_files`); of one that does not, it is `foundation.own_source`.
"""

from __future__ import annotations

import hashlib
import os.path
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.own_source import own_source

if TYPE_CHECKING:
    from tuner.core.study import StudySpec

MAX_HASHED_BYTES = 64 * 1024**2
"""Largest source file in bytes: a larger file is data, and known by its size."""


def fingerprints(stage: type, options: Mapping[str, Any], left_out: Collection[str]) -> dict[str, str]:
    """Returns the SHA-256 of each file of a stage's source, by a name that does not tell where the stage is.

    That is the name of its module as a path; of any other file, its path below the folder that all of those
    are in, or its whole path if a module has that name.

    Args:
        stage: The class of the stage.
        options: The stage's options.
        left_out: Absolute paths of files that measure nothing.
    """
    modules = {os.path.abspath(file): name for name, file in own_source(stage).items()}
    said = stage.source_files(options) if hasattr(stage, "source_files") else modules
    files = {os.path.abspath(file) for file in said}.difference(left_out)
    others = [Path(file) for file in sorted(files.difference(modules))]
    folder = os.path.commonpath([file.parent for file in others]) if others else ""
    named = {modules[file]: Path(file) for file in files.intersection(modules)}
    for file in others:
        below = str(file.relative_to(folder))
        named[str(file) if below in named else below] = file
    return {name: _fingerprint(named[name]) for name in sorted(named)}


def plugin_files(study: StudySpec) -> list[str]:
    """The modules of the study's own sampler and stopping rule, which are imported by now.

    They measure nothing, and may be mended before a run goes on. That of the stage is not among them.
    """
    plugins = [name for name in (study.search.sampler, study.scheduler.rule) if ":" in name]
    stage, *named = (name.partition(":")[0] for name in (study.stage.class_path, *plugins))
    modules = [sys.modules.get(name) for name in named if name != stage]
    files = [getattr(module, "__file__", None) for module in modules]
    return [os.path.abspath(file) for file in files if file]


def _fingerprint(file: Path) -> str:
    try:
        size = file.stat().st_size
        return f"{size} bytes" if size > MAX_HASHED_BYTES else hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
