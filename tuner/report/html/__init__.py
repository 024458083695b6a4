"""Writes the report of a run as one self-contained HTML page, and on demand its figures as SVG and PNG."""

from tuner.report.html.assembly import build_report, try_report, write_report

__all__ = ["build_report", "try_report", "write_report"]
