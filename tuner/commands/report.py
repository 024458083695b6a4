"""`report RUN`: the report of a run, made again from its journal."""

from __future__ import annotations

import argparse

from tuner.commands.output import Output, shown
from tuner.commands.paths import user_path
from tuner.errors import TunerError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that names the run, and the options for other files to make again."""
    parser.description = (
        "Make report.html again from a run's journal, also while it runs or after it was killed."
    )
    parser.epilog = "exit codes: 0 written, 2 a mistake or a failure"
    parser.add_argument("folder", type=user_path, metavar="RUN", help="folder of a run, such as runs/last")
    parser.add_argument(
        "--figures", action="store_true", help="write each figure as SVG and PNG too, into figures/"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="make summary.txt, result.json, certificate.json, trials.csv and recommended.yaml again too",
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Writes the report and says where."""
    from tuner.report.files import write_outputs
    from tuner.report.html import write_report
    from tuner.runs.journal import is_held
    from tuner.runs.past_run import read_past_run

    past = read_past_run(args.folder)
    if args.all and is_held(past.folder / "journal.jsonl"):
        raise TunerError(
            f"--all {args.folder}: that run has not ended, and writes these files when it ends.",
            "leave out --all, or wait for the run to end.",
        )
    paths = write_report(past, with_figures=args.figures)
    paths += write_outputs(past.folder, past.result) if args.all else []
    for path in paths:
        out.say(shown(path))
    return 0
