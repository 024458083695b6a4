"""Asks before the code that a foreign run's study names is imported or run; see `tuner.runs.foreign`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.commands.output import Output, shown
from tuner.errors import TunerError

if TYPE_CHECKING:
    from tuner.core.study import StudySpec
    from tuner.runs.past_run import PastRun


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Adds the option that answers the question beforehand."""
    parser.add_argument(
        "--trust",
        action="store_true",
        help="do not ask before running the code that the folder of somebody else's run names",
    )


def check_study(study: StudySpec, args: argparse.Namespace, out: Output) -> None:
    """Asks before a study in the folder of a foreign run is used, if it names code that is none of ours.

    Raises:
        TunerError: The answer is no, or nobody can be asked.
    """
    from tuner.runs.foreign import own_code
    from tuner.runs.past_run import read_past_run

    folder = Path(study.path).parent
    if own_code(study) and (folder / "journal.jsonl").is_file():
        _check(read_past_run(folder), own_code(study), args, out)


def check_resumed(past: PastRun, args: argparse.Namespace, out: Output) -> None:
    """Asks before a foreign run is resumed, if code that is none of ours would run.

    Raises:
        TunerError: See `check_study`.
    """
    from tuner.runs.foreign import code_that_runs

    _check(past, code_that_runs(past), args, out)


def _check(past: PastRun, code: Sequence[str], args: argparse.Namespace, out: Output) -> None:
    from tuner.runs.foreign import why_foreign

    why = why_foreign(past) if code and not args.trust else ""
    if not why:
        return
    said = f"{shown(past.folder)}: this may be somebody else's run: {why}. It would run {', '.join(code)}."
    if sys.stdin is not None and sys.stdin.isatty():
        out.note(f"{said} Continue? [y/N]")
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise TunerError(said, "look at its study.yaml and at that code, then repeat the command with --trust.")
