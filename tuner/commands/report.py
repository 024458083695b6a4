"""`report RUN`: the report of a run, made again from its journal."""

from __future__ import annotations

import argparse
from pathlib import Path

from tuner.commands.output import Output, shown
from tuner.errors import TunerError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and what else is made again."""
    parser.description = (
        "Make report.html and its figures again from a run's journal, also of one that goes on or was killed."
    )
    parser.epilog = "exit codes: 0 written, 2 a mistake or a failure"
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run, such as runs/last")
    parser.add_argument(
        "--all",
        action="store_true",
        help="make summary.txt, result.json, trials.csv and recommended.yaml again too",
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Writes the report and says where."""
    from tuner.records.journal import is_held
    from tuner.report.files import write_outputs
    from tuner.report.html import write_report
    from tuner.report.past import read_past_run

    past = read_past_run(args.folder)
    if args.all and is_held(past.folder / "journal.jsonl"):
        raise TunerError(
            f"--all {args.folder}: that run goes on, and writes these files at its end.",
            "leave out --all, or wait for its end.",
        )
    paths = [*write_report(past), *(write_outputs(past.folder, past.result) if args.all else [])]
    for path in paths:
        out.say(shown(path))
    return 0
