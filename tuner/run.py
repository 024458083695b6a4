"""The command line: `python -m tuner.run --space a100.yaml`, and `python -m tuner.run COMMAND ...`.

The only place that prints, exits or parses arguments; what each command does is in `tuner.commands`.
Without a command it is `run`.

Exit codes: 0 a configuration is recommended, or the command did what it is for; 1 it did, and the answer is
no; 2 a mistake or a failure of any kind, said in one message; 130 after SIGINT; 143 after SIGTERM or SIGHUP.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from foundation.one_line import printable
from tuner.commands import COMMANDS, load
from tuner.commands.output import Output
from tuner.ray_adapter.interrupts import Interrupted, Interrupts, leave

NOTHING_RUN = "interrupted before the first trial; nothing was run"

_PROGRAM = "python -m tuner.run"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    with Interrupts() as interrupts:
        return _carry_out(sys.argv[1:] if argv is None else argv, interrupts)


def _carry_out(argv: Sequence[str], interrupts: Interrupts) -> int:
    words = list(argv)
    is_named = bool(words) and not words[0].startswith("-")
    name = words.pop(0) if is_named else ""
    try:
        with interrupts.at_once():
            return _call(name, make_parser(name).parse_args(words))
    except Interrupted as interrupted:
        _note(NOTHING_RUN if name in ("", "run") else "interrupted")
        return interrupted.exit_code
    except Exception as error:
        return _tell(error)


def _call(name: str, args: argparse.Namespace) -> int:
    """Runs a command; one that is made to exit by what it calls has failed, whatever code that gives."""
    try:
        return load(name or "run").run(args, Output(say=_say, note=_note))
    except SystemExit as error:
        return _tell(error)


def _tell(error: BaseException) -> int:
    """Says what went wrong in one message, and returns the exit code."""
    from tuner.runs.unexpected import as_tuner_error

    told = as_tuner_error(error)
    _note(f"error: {told}")
    return told.exit_code


def make_parser(name: str = "") -> argparse.ArgumentParser:
    """The arguments of a command; of no command: those of `run`, with the commands in the help.

    Raises:
        TunerError: There is no such command.
    """
    command = load(name or "run")
    parser = argparse.ArgumentParser(
        prog=f"{_PROGRAM} {name}".rstrip(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_arguments(parser)
    parser.description = _wrapped(parser.description)
    parser.epilog = _wrapped(parser.epilog)
    if not name:
        listed = "\n".join(f"  {command:<13}{does}" for command, does in COMMANDS.items())
        parser.epilog = f"commands ({_PROGRAM} COMMAND --help):\n{listed}\n\n{parser.epilog}"
    return parser


def _wrapped(text: str | None) -> str:
    return textwrap.fill(text or "", width=79)


def _say(line: str) -> None:
    """Prints; a reader or a terminal that has gone away, or a full disk below a log, does not end the run."""
    try:
        print(printable(line), flush=True)
    except OSError as error:
        _give_up_output()
        if error.errno not in (errno.EPIPE, errno.EIO):
            _note(f"standard output: {error.strerror}; its further lines are lost, the run's files are not")


def _give_up_output() -> None:
    """Sends standard output to nowhere, also what it has kept: Python would fail on that when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _note(line: str) -> None:
    """Prints on standard error; if that cannot be written to, the exit code says enough."""
    with suppress(OSError):
        print(printable(line), file=sys.stderr, flush=True)


def command_line() -> NoReturn:
    """Runs the command line and ends the process."""
    interrupts = Interrupts()
    interrupts.take()  # until `leave` does
    leave(_carry_out(sys.argv[1:], interrupts))


if __name__ == "__main__":
    command_line()
