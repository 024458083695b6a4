"""The report of a run as one self-contained page, with every figure beside it as SVG and PNG."""

from tuner.report.html.assembly import build_report, try_report, write_report

__all__ = ["build_report", "try_report", "write_report"]
