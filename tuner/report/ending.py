"""The end of a run: its outputs, its last event, its report, in the order in which nothing is lost."""

from __future__ import annotations

from pathlib import Path

from tuner.records.journal import Journal
from tuner.report.files import write_outputs
from tuner.report.html import try_report
from tuner.report.past import write_end
from tuner.report.result import RunResult


def end_run(folder: Path, journal: Journal, elapsed_s: float, result: RunResult) -> str:
    """Writes all there is, and closes the journal; a run that failed gets no last event: it may be resumed.

    Returns:
        A line on why there is no report; empty when there is one.

    Raises:
        RecordsError: The disk is full or gone; what was written before is whole.
    """
    write_outputs(folder, result)
    if not result.failure:
        write_end(journal, round(elapsed_s, 3), result)
    journal.close()
    return try_report(folder, result.failure)
