"""Builds the report of a run and writes it into the run's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tuner.errors import RecordsError
from tuner.records.folder import write_atomically, write_bytes_atomically
from tuner.report.html.figures import figures
from tuner.report.html.image import images
from tuner.report.html.page import page
from tuner.report.model import model_of
from tuner.report.past import PastRun, read_past_run

KINDS = ("svg", "png")


def build_report(past: PastRun) -> str:
    """The report as one self-contained page."""
    return page(past, figures(past, model_of(past)))


def write_report(past: PastRun) -> list[Path]:
    """Writes `report.html` and `figures/*.svg|png` into the run's folder, and returns their paths.

    Raises:
        RecordsError: The disk is full or gone.
    """
    shown = figures(past, model_of(past))
    written = [past.folder / "report.html"]
    write_atomically(written[0], page(past, shown))
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
    """Writes the report of a run; a line on why there is none when that fails, else nothing.

    Args:
        folder: Of the run.
        failure: The error that ended it; empty when none did.
    """
    try:
        write_report(replace(read_past_run(folder), failure=failure))
    except Exception as error:  # whatever it is, the run it would have shown has its result
        return f"no report.html was written ({type(error).__name__}: {' '.join(str(error).split())})"
    return ""
