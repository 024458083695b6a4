"""The folder of one run, `runs/<study>-<time>/`, and the pointer `runs/last` to the newest one."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from foundation.whole_file import whole_file
from tuner.core.study import StudySpec
from tuner.errors import RecordsError
from tuner.spec import study_as_yaml


def create_run_folder(runs_dir: Path, study_name: str, started: datetime) -> Path:
    """Makes a new folder for a run and points `last` to it.

    Two runs started in the same second get folders of their own.

    Raises:
        RecordsError: The folder cannot be made or written to.
    """
    stem = f"{study_name}-{started:%Y%m%d-%H%M%S}"
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 100):
            folder = runs_dir / (stem if attempt == 1 else f"{stem}-{attempt}")
            with suppress(FileExistsError):
                folder.mkdir()
                _point(runs_dir / "last", folder.name)
                return folder.resolve()
    except OSError as error:
        raise RecordsError(
            f"{runs_dir}: cannot make a run folder here: {error.strerror}.",
            "choose a writable folder with --runs-dir.",
        ) from error
    raise RecordsError(f"{runs_dir}: {stem} exists 99 times already.", "choose another --runs-dir.")


def write_atomically(path: Path, text: str) -> None:
    """Writes a whole file or nothing: a reader never sees half of it.

    Raises:
        RecordsError: The disk is full or gone; what was there before is untouched.
    """
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Does what `write_atomically` does, for bytes.

    Raises:
        RecordsError: The file cannot be written; see `write_atomically`.
    """
    try:
        with whole_file(path) as draft:
            draft.write_bytes(content)
    except OSError as error:
        raise RecordsError(
            f"{path}: cannot write it: {error.strerror}; the journal beside it holds everything.",
            "free some space, then rebuild it from the journal.",
        ) from error


def write_study(folder: Path, study: StudySpec) -> None:
    """Writes the study as resolved, which loads back to an equal one."""
    write_atomically(folder / "study.yaml", study_as_yaml(study))


def _point(link: Path, to: str) -> None:
    """Points `link` to `to` in one step; a file of that name that is no link is left alone."""
    if link.exists() and not link.is_symlink():
        return
    draft = link.with_name(f".last.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(to)
    draft.replace(link)
