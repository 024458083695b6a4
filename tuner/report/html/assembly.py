"""Builds the report of a run and writes it into the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tuner.errors import RecordsError
from tuner.report.html.figure import Figure
from tuner.report.html.figures import figures
from tuner.report.html.image import images
from tuner.report.html.page import page
from tuner.report.model import model_of
from tuner.runs.folder import write_atomically, write_bytes_atomically
from tuner.runs.past_run import PastRun, read_past_run

KINDS = ("svg", "png")


def build_report(past: PastRun) -> str:
    """Returns the report of a run as one self-contained HTML page."""
    return page(past, figures(past, model_of(past)))


def write_report(past: PastRun, *, with_figures: bool = False) -> list[Path]:
    """Writes `report.html` into the run's folder, and the figures if they are wanted; returns all paths.

    Args:
        past: The run.
        with_figures: Whether to write each figure as files too, which takes some seconds.

    Raises:
        RecordsError: The disk is full or gone.
    """
    shown = figures(past, model_of(past))
    path = past.folder / "report.html"
    write_atomically(path, page(past, shown))
    return [path, *(_write_figures(past, shown) if with_figures else [])]


def _write_figures(past: PastRun, shown: Sequence[Figure]) -> list[Path]:
    written = []
    folder = past.folder / "figures"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RecordsError(f"{folder}: cannot make it: {error.strerror}.", "free some space.") from error
    for one in shown:
        for kind, drawn in images(one, KINDS, past.study.name).items():
            written.append(folder / f"{one.key}.{kind}")
            write_bytes_atomically(written[-1], drawn)
    return written


def try_report(folder: Path, failure: str = "") -> str:
    """Writes the report of a run; on failure returns one line that says why, else an empty text.

    Args:
        folder: The run's folder.
        failure: The error that ended the run; empty when there was none.
    """
    try:
        write_report(replace(read_past_run(folder), failure=failure))
    except Exception as error:  # whatever it is, the run it would have shown has its result
        return f"no report.html was written ({type(error).__name__}: {' '.join(str(error).split())})"
    return ""
