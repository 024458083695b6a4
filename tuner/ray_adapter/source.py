"""The source of a stage as fingerprints, which `--resume` compares. Reads files; knows no ray."""

from __future__ import annotations

import hashlib
import os.path
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from tuner.core.study import StudySpec

MAX_HASHED_BYTES = 64 * 1024**2
"""Largest source file in bytes: a larger file is data, and known by its size."""


def fingerprints(source_files: Iterable[Path], left_out: Collection[str]) -> dict[str, str]:
    """The SHA-256 of each source file, by its name relative to the folder that all of them are in.

    Args:
        source_files: The files that the stage names.
        left_out: Absolute paths of those that measure nothing.
    """
    named = {os.path.abspath(file) for file in source_files}
    files = [Path(name) for name in sorted(named.difference(left_out))]
    folder = os.path.commonpath([file.parent for file in files]) if files else ""
    return {str(file.relative_to(folder)): _fingerprint(file) for file in files}


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
