"""Writes what a run leaves for people at its end: an `Outputs` of `tuner.runs.ending`."""

from __future__ import annotations

from pathlib import Path

from tuner.certificate import Certificate
from tuner.report.certificate import verdict_sentence
from tuner.report.conclusion import sentence
from tuner.report.files import write_outputs
from tuner.report.html import try_report
from tuner.runs.result import RunResult


class ReportOutputs:
    """Says what was found, and writes it into the run's folder."""

    def sentence(self, result: RunResult) -> str:
        """Returns the finding as a sentence; see `tuner.report.conclusion.sentence`."""
        return sentence(result)

    def verdict(self, certificate: Certificate) -> str:
        """Returns the verdict as a sentence; see `verdict_sentence`."""
        return verdict_sentence(certificate)

    def write(self, folder: Path, result: RunResult) -> None:
        """Writes the run's files; see `write_outputs`."""
        write_outputs(folder, result)

    def try_report(self, folder: Path, failure: str) -> str:
        """Makes the report; see `tuner.report.html.try_report`."""
        return try_report(folder, failure)
