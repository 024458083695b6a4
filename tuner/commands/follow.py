"""`follow RUN`: writes a run to Optuna's storage, TensorBoard, Parquet and W&B, as it goes or afterwards.

A run starts it for itself. It is a process of its own, so that nothing of it can slow or fail the run.
"""

from __future__ import annotations

import argparse
import difflib
import faulthandler
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from tuner.commands.output import Output, shown
from tuner.commands.paths import user_path
from tuner.errors import Interrupted
from tuner.runs.wanted import NAMES

LOW_PRIORITY = 5
"""Nice value of the process: a quarter of a contested core, so that the end is not kept waiting."""

HANG_S = 90.0
"""Seconds that a sink's call, or the exit, may take before the process that a run started is ended."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name the run and the sinks to write to."""
    parser.description = (
        "Write the trials of a run to Optuna's storage, TensorBoard, Parquet and W&B, from its journal. A "
        "run does this by itself. Use this command to fill a sink that was off or was not written to its "
        "end. It follows a live run until it ends, and writes nothing twice."
    )
    parser.epilog = (
        "exit codes: 0 everything is written, 1 something could not be written, 2 a mistake or a failure"
    )
    parser.add_argument("folder", type=user_path, metavar="RUN", help="folder of a run, such as runs/last")
    parser.add_argument(
        "--to",
        type=_names,
        metavar="NAMES",
        help=f"sinks, separated by commas: {', '.join(NAMES)} (default: those of the study)",
    )
    parser.add_argument(
        "--driver",
        type=int,
        help=argparse.SUPPRESS,  # a run gives its own process id: the run has ended when that process ends
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, n=1)
            fix = f"did you mean {close[0]!r}?" if close else f"the names are {', '.join(NAMES)}."
            raise argparse.ArgumentTypeError(f"there is no sink {name!r}: {fix}")
    return names


def run(args: argparse.Namespace, out: Output) -> int:
    """Waits for its turn, before anything heavy is imported, and writes."""
    from tuner.runs.follower import alone
    from tuner.runs.journal import journal_of, read_journal

    for _ in read_journal(journal_of(args.folder)):  # a damaged run is left alone
        pass
    names = args.to or _wanted(args)
    if not names:
        out.say("the study of this run wants none of these outputs; name some with --to.")
        return 0
    _yield_to_trials()

    def say_that_it_waits() -> None:
        if args.driver is None:
            out.note(f"waiting for the process that writes to {', '.join(names)} ...")

    try:
        with alone(args.folder, names, say_that_it_waits):
            return _follow(args, names, out)
    except Interrupted as interrupted:
        out.note("not completely written; run the same command again to continue")
        return interrupted.exit_code


def _wanted(args: argparse.Namespace) -> Sequence[str]:
    from tuner.runs.past_run import read_past_run
    from tuner.runs.wanted import wanted_names

    past = read_past_run(args.folder)
    return wanted_names(past.study.outputs, is_simulated="simulated" in past.provenance)


def _yield_to_trials() -> None:
    """Lets trials go before this process and those that it starts; a priority may only be lowered."""
    os.nice(max(0, LOW_PRIORITY - os.getpriority(os.PRIO_PROCESS, 0)))


def _follow(args: argparse.Namespace, names: Sequence[str], out: Output) -> int:
    from tuner.runs.follower import INCOMPLETE
    from tuner.runs.past_run import read_past_run
    from tuner.sinks.follow import follow
    from tuner.sinks.guarded import Sinks
    from tuner.sinks.selection import makers

    past = read_past_run(args.folder)
    is_of_a_run = args.driver is not None
    sinks = Sinks(makers(past.study.outputs, names), out.note, _watched if is_of_a_run else nullcontext)
    follow(past, sinks, (lambda: os.getppid() != args.driver) if is_of_a_run else None)
    if is_of_a_run:  # what a sink has left behind may keep the exit waiting
        faulthandler.dump_traceback_later(HANG_S, exit=True)
    if written := [name for name in names if name not in sinks.troubles]:
        out.say(f"{shown(past.folder)}: written to {', '.join(written)}")
    return INCOMPLETE if sinks.troubles else 0


@contextmanager
def _watched() -> Iterator[None]:
    """Ends this process, which nobody watches, when a call hangs where no signal is heard."""
    faulthandler.dump_traceback_later(HANG_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
